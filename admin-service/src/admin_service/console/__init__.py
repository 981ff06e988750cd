"""The console: pages for people, made on the server out of what the API says."""
