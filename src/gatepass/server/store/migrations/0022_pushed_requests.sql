CREATE TABLE pushed_requests (
    digest BYTEA PRIMARY KEY,
    client_id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX pushed_requests_expiring ON pushed_requests (expires_at);
CREATE INDEX pushed_requests_of_client ON pushed_requests (client_id, expires_at);
