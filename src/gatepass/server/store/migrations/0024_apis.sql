-- APIs that tokens are for (RFC 8707). Their scopes are JSON: no statement looks inside.
CREATE TABLE apis (
    audience TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    is_public BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
-- Clients that cannot show a page of consent are the operator's own, and always were.
UPDATE clients SET rules = '{"consent":"never"}' WHERE grant_types NOT LIKE '%authorization_code%';
