"""Serving: one process, or several."""
