"""Signing in and up with a passkey, which is two factors by itself."""
