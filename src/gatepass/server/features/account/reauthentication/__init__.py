"""Step-up (RFC 9470): a signed-in user authenticates again."""
