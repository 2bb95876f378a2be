"""What a person changes about their account: address, password, and its deletion."""
