"""The operators' API: the same acts as the command line's, by HTTP."""
