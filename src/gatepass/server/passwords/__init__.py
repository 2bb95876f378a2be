"""Passwords: what makes one acceptable, and how one is kept."""
