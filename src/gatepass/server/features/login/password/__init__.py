"""Signing in by email address and password."""
