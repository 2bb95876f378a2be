"""Providers: other sites that users sign in with."""
