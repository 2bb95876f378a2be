"""Step-up (RFC 9470): a fresh proof by a person who is signed in."""
