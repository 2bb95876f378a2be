"""Sessions, the grants that clients hold of them, and the tokens of a grant."""
