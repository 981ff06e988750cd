"""Power cuts without a virtual machine: a real element on a real ext4, over a disk that remembers every write."""
