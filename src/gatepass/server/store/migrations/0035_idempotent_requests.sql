-- Requests with an Idempotency-Key, and what they were answered, sealed and without secrets. `status` is 0 until then.
CREATE TABLE idempotent_requests (
    id BYTEA PRIMARY KEY,
    body BYTEA NOT NULL,
    status INTEGER NOT NULL,
    sealed BYTEA NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX idempotent_requests_by_expiry ON idempotent_requests (expires_at);
