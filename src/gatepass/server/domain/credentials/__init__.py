"""Credentials: passwords, passkeys, second factors and codes."""
