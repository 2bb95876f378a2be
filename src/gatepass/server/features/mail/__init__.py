"""Outgoing emails: sent when due, or shown in the outbox."""
