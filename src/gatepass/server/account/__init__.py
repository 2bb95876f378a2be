"""What a person sees of their account, and what they change about it."""
