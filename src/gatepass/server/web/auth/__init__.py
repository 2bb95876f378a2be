"""Who makes a request: the proof that a route asks for."""
