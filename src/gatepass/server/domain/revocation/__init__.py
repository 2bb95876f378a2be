"""Revocations: indexes in status lists, tokens by `jti`, keys by `kid`, and the log of them all."""
