"""The token endpoint (RFC 6749 §3.2): one module for each grant type."""
