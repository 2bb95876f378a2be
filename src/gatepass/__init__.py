"""JWT authentication for Python: a server, a verifier for your API, and a JOSE library."""
