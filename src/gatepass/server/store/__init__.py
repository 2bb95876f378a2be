"""The nouns' ports over SQL: one text for every database. Only `app.py` and the command line import this package."""
