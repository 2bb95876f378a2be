-- What a client says of itself (RFC 7591 names) and what the operator decides about it: no statement looks inside.
ALTER TABLE clients ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE clients ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
ALTER TABLE clients ADD COLUMN auth_method TEXT NOT NULL DEFAULT 'client_secret';
UPDATE clients SET auth_method = 'private_key_jwt' WHERE jwks IS NOT NULL;
-- Who registered it: the operator (cli), itself (dcr), or its own document (cimd).
ALTER TABLE clients ADD COLUMN origin TEXT NOT NULL DEFAULT 'cli';
ALTER TABLE clients ADD COLUMN second_secret_digest BYTEA;
ALTER TABLE clients ADD COLUMN second_secret_until DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN registration_digest BYTEA;
ALTER TABLE clients ADD COLUMN disabled_at DOUBLE PRECISION;
-- When a person last gave it a code; one that registered itself and is never used is removed.
ALTER TABLE clients ADD COLUMN used_at DOUBLE PRECISION;
-- A session is a browser's, or one that outlives it for a client (offline_access), or a device's.
ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'browser';
ALTER TABLE sessions ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
-- The claims that were asked for one by one (OpenID Connect Core §5.5); empty where none were.
ALTER TABLE grants ADD COLUMN claims TEXT NOT NULL DEFAULT '';
