"""OpenID Shared Signals: telling the clients of a person what has become of their sign-ins, credentials and account."""
