"""HTTP that flows share: routes, parsing, cookies, the cross-site defence, headers, errors."""
