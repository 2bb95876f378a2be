"""Asking code of the operator's before somebody signs up or signs in."""
