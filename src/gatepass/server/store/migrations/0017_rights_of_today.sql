-- A grant that named no audience has all that its client has when a token is made; only what was named is kept. Before,
-- all were kept, and one could be named at most.
UPDATE grants SET audience = '' WHERE audience LIKE '% %';
-- Whom a client's assertions name: 'issuer', or the URL of the token endpoint as well.
ALTER TABLE clients ADD COLUMN assertion_audience TEXT NOT NULL DEFAULT 'issuer';
