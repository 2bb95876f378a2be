"""The stores of the domain's ports in SQL, the same text for every database. Only `app.py` and the CLI import this."""
