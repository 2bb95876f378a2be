"""Signing in at another site, and the accounts there that open the one here."""
