"""What a person sees of their account, and the sessions that they end."""
