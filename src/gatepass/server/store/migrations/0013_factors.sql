CREATE TABLE totp_secrets (
    user_id TEXT PRIMARY KEY REFERENCES users (id),
    sealed BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    confirmed_at DOUBLE PRECISION
);
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    digest BYTEA NOT NULL,
    PRIMARY KEY (user_id, digest)
);
CREATE TABLE remembered_devices (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    digest BYTEA NOT NULL UNIQUE,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX remembered_devices_of_user ON remembered_devices (user_id);
CREATE INDEX remembered_devices_expiring ON remembered_devices (expires_at);
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    credential_id BYTEA NOT NULL UNIQUE,
    public_key BYTEA NOT NULL,
    sign_count BIGINT NOT NULL,
    can_be_backed_up BIGINT NOT NULL,
    is_backed_up BIGINT NOT NULL,
    aaguid TEXT NOT NULL,
    transports TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    used_at DOUBLE PRECISION
);
CREATE INDEX passkeys_of_user ON passkeys (user_id);
