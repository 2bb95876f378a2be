"""The second half of a login, whatever was the first."""
