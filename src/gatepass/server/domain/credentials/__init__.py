"""What people prove themselves with."""
