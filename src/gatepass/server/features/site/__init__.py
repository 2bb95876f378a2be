"""What belongs to the site as a whole."""
