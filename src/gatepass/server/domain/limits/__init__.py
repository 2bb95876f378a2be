"""Limits on attempts, and tokens that work once."""
