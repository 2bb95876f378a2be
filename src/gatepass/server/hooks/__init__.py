"""Extension points for building on Gatepass without a fork."""
