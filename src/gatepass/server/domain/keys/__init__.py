"""Signing keys and the keys that seal secrets."""
