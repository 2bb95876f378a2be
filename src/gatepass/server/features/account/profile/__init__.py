"""Changes to the account: address, password, and its deletion."""
