"""Other sites that people sign in with."""
