CREATE TABLE status_lists (
    list BIGINT PRIMARY KEY,
    sealed_key BYTEA NOT NULL,
    reserved BIGINT NOT NULL,
    opened_at DOUBLE PRECISION NOT NULL
);
CREATE TABLE revocation_head (
    one BIGINT PRIMARY KEY,
    epoch TEXT NOT NULL,
    last_id BIGINT NOT NULL
);
CREATE TABLE revocations (
    id BIGINT PRIMARY KEY,
    status_list BIGINT,
    status_idx BIGINT,
    jti TEXT,
    kid TEXT,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX revocations_of_status ON revocations (status_list, status_idx);
CREATE INDEX revocations_of_token ON revocations (jti);
CREATE INDEX revocations_expiring ON revocations (expires_at);
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    audience TEXT NOT NULL,
    scope TEXT NOT NULL,
    secret_digest BYTEA,
    jwks TEXT,
    status_list BIGINT NOT NULL,
    status_idx BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    removed_at DOUBLE PRECISION
);
CREATE UNIQUE INDEX clients_status ON clients (status_list, status_idx);
CREATE INDEX grants_of_client ON grants (client_id);
CREATE TABLE used_once (
    purpose TEXT NOT NULL,
    token_id TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (purpose, token_id)
);
CREATE INDEX used_once_expiring ON used_once (expires_at);
