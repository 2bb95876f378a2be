CREATE TABLE device_codes (
    digest BYTEA PRIMARY KEY,
    user_digest BYTEA NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    request TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    asked_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    pause BIGINT NOT NULL,
    polled_at DOUBLE PRECISION NOT NULL,
    state TEXT NOT NULL,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL
);
CREATE INDEX device_codes_expiring ON device_codes (expires_at);
CREATE INDEX device_codes_of_client ON device_codes (client_id, expires_at);
