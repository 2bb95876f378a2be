"""Signing in by email: a link, or a short code to type."""
