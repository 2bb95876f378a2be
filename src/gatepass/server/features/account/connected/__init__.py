"""Accounts at other sites that sign a person in here."""
