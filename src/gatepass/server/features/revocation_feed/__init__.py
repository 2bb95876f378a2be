"""What is revoked, published: list, snapshot and stream."""
