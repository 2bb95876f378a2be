ALTER TABLE keys ADD COLUMN signs_from DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN compromised_at DOUBLE PRECISION;
ALTER TABLE keys ADD COLUMN held TEXT NOT NULL DEFAULT 'here';
ALTER TABLE keys ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
UPDATE keys SET signs_from = created_at, generation = (
    SELECT COUNT(*) FROM keys AS other
    WHERE other.use = keys.use AND (other.created_at, other.kid) <= (keys.created_at, keys.kid)
);
CREATE UNIQUE INDEX keys_generation ON keys (use, generation);
CREATE TABLE data_key (
    one BIGINT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
