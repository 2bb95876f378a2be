-- Clients that registered themselves and that nobody has used.
CREATE INDEX clients_unused ON clients (created_at) WHERE origin <> 'cli' AND used_at IS NULL AND removed_at IS NULL;
-- What was fetched of clients that are the URL of their document: how fresh it is, and since when it is gone.
CREATE TABLE client_documents (
    client_id TEXT PRIMARY KEY,
    fresh_until DOUBLE PRECISION NOT NULL,
    missing_since DOUBLE PRECISION
);
