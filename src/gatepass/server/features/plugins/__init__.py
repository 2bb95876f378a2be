"""Plugins that are told of events."""
