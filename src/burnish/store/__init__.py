"""Floor 1: runs on disk, and records as JSON lines."""
