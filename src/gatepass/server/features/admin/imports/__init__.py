"""Users that come from other systems: reading their files, and moving them in."""
