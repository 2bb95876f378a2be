"""The rules, with neither HTTP nor SQL: a struct, its port to the store, and what is decided on a transaction."""
