"""Other sites that people sign in with: OpenID providers, and GitHub."""
