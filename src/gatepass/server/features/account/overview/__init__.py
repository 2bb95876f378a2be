"""The account overview, and ending sessions."""
