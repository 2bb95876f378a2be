"""What operators do with people and clients."""
