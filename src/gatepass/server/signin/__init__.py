"""What every way in ends with: open a session and a grant, mint, and answer with a token pair or a cookie."""
