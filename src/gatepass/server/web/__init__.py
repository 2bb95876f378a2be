"""What features share of HTTP: routes, parsing, cookies, CSRF protection, headers, errors."""
