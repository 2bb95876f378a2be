-- Whose token was revoked by its name: each client has a share of the names that readers can be told of.
ALTER TABLE revocations ADD COLUMN client_id TEXT;
