"""What several tests need: a clock to set, a server on a real socket."""
