"""Signing in at another site."""
