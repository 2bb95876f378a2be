-- The name as a search finds it: in lower case. Names from before keep what the database makes of them.
ALTER TABLE users ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE users SET name_key = lower(name) WHERE name <> '';
CREATE INDEX users_by_name ON users (name_key COLLATE BINARY) WHERE name_key <> '';
-- And the beginning of an id: the primary key is in the order of the database's language.
CREATE INDEX users_by_id ON users (id COLLATE BINARY);
