-- The browser's session in which an offline grant was given: the client knows the sign-in by that one. Else empty.
ALTER TABLE grants ADD COLUMN browser_session_id TEXT NOT NULL DEFAULT '';
-- What clients are to be told of sessions that have ended. No foreign keys: an account may be gone by then.
CREATE TABLE logout_deliveries (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX logout_deliveries_due ON logout_deliveries (due_at);
