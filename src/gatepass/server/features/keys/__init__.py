"""The server's keys: published, kept current and rotated."""
