"""A bridge: takes other issuers' notices of revocation, and publishes them as a feed that our verifiers follow.

A notice is a logout token, a security event token or a request for global revocation. It is checked against the one
transmitter that may send it, becomes an entry (`gatepass.tokens.bridge_entry`), and is acknowledged once that is on the
disk.
"""
