"""Administration of users and clients."""
