CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    email_verified_at DOUBLE PRECISION,
    roles TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    disabled_at DOUBLE PRECISION
);
CREATE TABLE passwords (
    user_id TEXT PRIMARY KEY REFERENCES users (id),
    hash TEXT NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL
);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    auth_time DOUBLE PRECISION NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION,
    end_reason TEXT
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    scope TEXT NOT NULL,
    secret_digest BYTEA NOT NULL,
    current BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    touched_at DOUBLE PRECISION NOT NULL,
    answered_at DOUBLE PRECISION NOT NULL,
    verdict TEXT NOT NULL,
    status_list BIGINT NOT NULL,
    status_idx BIGINT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION
);
CREATE UNIQUE INDEX grants_status ON grants (status_list, status_idx);
CREATE INDEX grants_of_session ON grants (session_id);
CREATE INDEX grants_of_user ON grants (user_id);
CREATE TABLE keys (
    kid TEXT PRIMARY KEY,
    use TEXT NOT NULL,
    alg TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    retired_at DOUBLE PRECISION
);
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    at DOUBLE PRECISION NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL
);
CREATE INDEX events_of_session ON events (session_id);
