"""The authorization endpoint and its pages (RFC 6749 §3.1, OpenID Connect Core §3.1.2)."""
