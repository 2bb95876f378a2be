"""The second factor of a login, after any first one."""
