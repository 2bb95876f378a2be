"""The transmitter of OpenID Shared Signals: streams, and how they are told."""
