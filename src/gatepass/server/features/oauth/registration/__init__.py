"""Clients that register themselves (RFC 7591, RFC 7592), or are the URL of their metadata document."""
