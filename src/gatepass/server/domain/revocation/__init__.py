"""What is revoked: indexes in status lists, named tokens, and the log of both."""
