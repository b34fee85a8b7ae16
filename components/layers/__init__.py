"""The systems of the platform, one file each."""
