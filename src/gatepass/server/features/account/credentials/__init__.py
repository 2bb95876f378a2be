"""The user's second factors, passkeys and trusted devices."""
