"""Organizations: who belongs to them, who is invited, and which email domains are theirs."""
