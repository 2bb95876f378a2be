"""The rules, without HTTP or SQL: data structures, the ports to the store, and decisions made in a transaction."""
