"""The base layer: errors, identifiers, time, settings, texts."""
