"""Mails on their way: sent when they are due, or shown in the outbox."""
