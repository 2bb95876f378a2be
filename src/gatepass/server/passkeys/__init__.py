"""Passkeys (Web Authentication Level 3): key pairs whose private half stays with the person."""
