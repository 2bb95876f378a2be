"""Refreshing and ending sessions."""
