"""Forward authentication: a reverse proxy asks, before it passes a request on, whether the request's token is good.

nginx calls it `auth_request`, Caddy and Traefik `forward_auth`, Envoy `ext_authz`. Each decision is made as
`gatepass.verify` makes it, offline, and a revoked token is refused within a second.
"""
