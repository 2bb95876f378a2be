"""For the tests of your API: an issuer in this process, with keys and a clock of its own. Nothing touches the network.

issuer = Issuer(audience="orders")
client = TestClient(make_app(issuer.verifier()))
client.get("/orders", headers=issuer.headers(sub="ada", scope="orders:read"))
"""

from .clock import Clock
from .issuer import Issuer, issuer_for

__all__ = ["Clock", "Issuer", "issuer_for"]
