"""Telling other servers of events, and what operators do to webhooks."""
