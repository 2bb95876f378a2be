"""Proving once more who one is (step-up, RFC 9470)."""
