"""Emails: their content, queue and delivery."""
