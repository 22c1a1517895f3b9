"""Whatever is read from files that people write."""
