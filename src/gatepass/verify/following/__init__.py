"""Following what an issuer revokes: the protocol, without I/O, clock or lock. `follow.py` is the driver."""
