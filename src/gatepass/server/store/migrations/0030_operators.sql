-- Addresses by octets, whatever a database's collation says: operators look people up by how an address begins.
CREATE INDEX users_by_address ON users (email COLLATE BINARY);
CREATE INDEX users_disabled ON users (email COLLATE BINARY) WHERE disabled_at IS NOT NULL;
CREATE INDEX users_with_roles ON users (email COLLATE BINARY) WHERE roles <> '';
-- Rights at this server have names of their own from now on: whoever was given one by an application before loses it.
CREATE TABLE reserved_names_taken (holder TEXT NOT NULL, name TEXT NOT NULL);
INSERT INTO reserved_names_taken SELECT id, 'gatepass-operator' FROM users WHERE ' ' || roles || ' ' LIKE '% gatepass-operator %';
UPDATE users SET roles = TRIM(REPLACE(' ' || roles || ' ', ' gatepass-operator ', ' ')) WHERE ' ' || roles || ' ' LIKE '% gatepass-operator %';
INSERT INTO reserved_names_taken SELECT id, 'admin:read' FROM clients WHERE ' ' || scope || ' ' LIKE '% admin:read %';
INSERT INTO reserved_names_taken SELECT id, 'admin:write' FROM clients WHERE ' ' || scope || ' ' LIKE '% admin:write %';
UPDATE clients SET scope = TRIM(REPLACE(REPLACE(' ' || scope || ' ', ' admin:read ', ' '), ' admin:write ', ' ')) WHERE ' ' || scope || ' ' LIKE '% admin:%';
