"""People: who has an account, how it is made, and whose it is."""
