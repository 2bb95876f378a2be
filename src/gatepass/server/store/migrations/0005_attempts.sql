CREATE TABLE attempts (
    subject TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    last_of TEXT NOT NULL,
    began_at DOUBLE PRECISION NOT NULL,
    last_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX attempts_expiring ON attempts (began_at);
