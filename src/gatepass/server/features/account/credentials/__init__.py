"""Second factors, passkeys and remembered devices of a person."""
