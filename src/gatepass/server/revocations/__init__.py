"""Revocation: which bit, token or key is revoked, in the order in which it happened."""
