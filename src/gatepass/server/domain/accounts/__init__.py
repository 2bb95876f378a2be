"""Accounts: how they are created, imported and verified."""
