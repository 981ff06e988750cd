"""What a storage element means: files, uploads, room, modes. It knows no HTTP and no operating system."""
