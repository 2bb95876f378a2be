"""Sign-in by a token of the system that a user was imported from."""
