"""Mails: what one says, where it waits, and how it gets away."""
