"""Each kind of token: its claims, how it is minted and how it is checked, in one file."""
