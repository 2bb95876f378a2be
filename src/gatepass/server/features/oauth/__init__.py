"""OAuth's endpoints (RFC 6749, RFC 7009, RFC 7662)."""
