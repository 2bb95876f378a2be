-- The thumbprint of the key that a grant's tokens are bound to (RFC 9449); empty for bearer tokens.
ALTER TABLE grants ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
