-- Initial access tokens (RFC 7591 §3), with which clients register themselves.
CREATE TABLE registration_tokens (
    digest BYTEA PRIMARY KEY,
    uses_left BIGINT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX registration_tokens_expiring ON registration_tokens (expires_at);
-- The sessions that are a client's own end with the client.
CREATE INDEX sessions_of_client ON sessions (client_id);
