"""Authentication of requests, as each route requires."""
