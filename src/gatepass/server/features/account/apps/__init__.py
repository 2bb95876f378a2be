"""Applications that have access to a person's account."""
