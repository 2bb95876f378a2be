"""Sending a stream of server-sent events to many readers: what the messages are, and how they come to each.

The server and the relay both use it.
"""
