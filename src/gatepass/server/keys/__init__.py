"""The server's own keys: how they are kept, and which of them signs."""
