"""The log of what happened to whom."""
