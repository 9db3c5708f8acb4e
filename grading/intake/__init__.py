"""What a student handed in: files, archives, damaged notebooks, and restoring the release's structure."""
