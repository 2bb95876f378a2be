CREATE TABLE mails (
    id TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX mails_due ON mails (due_at);
CREATE TABLE codes (
    digest BYTEA PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT NOT NULL,
    email TEXT NOT NULL,
    holder BYTEA NOT NULL,
    short_digest BYTEA NOT NULL,
    payload TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    tries BIGINT NOT NULL
);
CREATE INDEX codes_of_holder ON codes (holder);
CREATE INDEX codes_of_user ON codes (user_id);
CREATE INDEX codes_expiring ON codes (expires_at);
