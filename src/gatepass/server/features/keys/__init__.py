"""The server's keys: published, followed, and moved on in time."""
