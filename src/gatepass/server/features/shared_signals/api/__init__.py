"""The calls of receivers (Shared Signals Framework 1.0 §8, RFC 8936)."""
