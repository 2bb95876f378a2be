"""For testing your API: an in-process issuer with its own keys and clock. Nothing uses the network.

issuer = Issuer(audience="orders")
client = TestClient(make_app(issuer.verifier()))
client.get("/orders", headers=issuer.headers(sub="ada", scope="orders:read"))
"""

from .clock import Clock
from .issuer import Issuer, issuer_for

__all__ = ["Clock", "Issuer", "issuer_for"]
