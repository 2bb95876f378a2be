"""Organizations: of people, of their admins, of operators."""
