"""The kinds of notices: what each looks like, and what it ends."""
