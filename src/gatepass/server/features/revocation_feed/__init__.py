"""Publishing revocations: lists, snapshot and stream."""
