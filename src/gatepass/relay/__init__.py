"""`gatepass relay`: passes on what an issuer says it has revoked, to any number of followers, octet for octet.

Everything is signed by the issuer, so a follower trusts nothing of a relay, and a relay needs no key. It follows as
any verifier does, from the issuer or from other relays, and judges what it passes on, so that it never spreads what
followers would refuse.
"""
