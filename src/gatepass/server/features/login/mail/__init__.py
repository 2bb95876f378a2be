"""Signing in by mail: a link, or a short code to type."""
