"""How verifiers learn what is revoked: status lists, a snapshot, a stream of events; all public, naming nobody."""
