"""What everything stands on: errors, identifiers, time, settings, texts."""
