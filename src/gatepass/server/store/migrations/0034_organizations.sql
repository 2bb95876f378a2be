-- Organizations: people belong to any number of them, with roles in each.
CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX organizations_by_slug ON organizations (slug COLLATE BINARY);
CREATE TABLE organization_members (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    roles TEXT NOT NULL,
    joined_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_members_of_user ON organization_members (user_id);
-- `digest` is that of the token in the mailed link. One invitation for each address.
CREATE TABLE organization_invitations (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    roles TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    inviter TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE UNIQUE INDEX organization_invitations_of_address ON organization_invitations (organization_id, email);
CREATE INDEX organization_invitations_by_address ON organization_invitations (email);
CREATE INDEX organization_invitations_expiring ON organization_invitations (expires_at);
-- Several organizations may claim a domain, and one of them proves it.
CREATE TABLE organization_domains (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    domain TEXT NOT NULL,
    provider TEXT NOT NULL,
    challenge TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    verified_at DOUBLE PRECISION,
    checked_at DOUBLE PRECISION,
    missed_at DOUBLE PRECISION,
    PRIMARY KEY (organization_id, domain)
);
CREATE UNIQUE INDEX organization_domains_verified ON organization_domains (domain) WHERE verified_at IS NOT NULL;
-- The organization that tokens of the grant name, and those that tokens at its present status index may name besides.
ALTER TABLE grants ADD COLUMN organization_id TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN organizations_named TEXT NOT NULL DEFAULT '';
-- When the owner has shown to read mail at the present address. Others may have vouched for it: operators, imports, providers.
ALTER TABLE users ADD COLUMN address_proved_at DOUBLE PRECISION;
UPDATE users SET address_proved_at = email_verified_at WHERE email_verified_at IS NOT NULL AND origin = 'self'
    AND EXISTS (SELECT 1 FROM events WHERE events.user_id = users.id AND kind = 'email_verified' AND reason = '' AND actor = users.id)
    AND NOT EXISTS (SELECT 1 FROM events WHERE events.user_id = users.id AND kind = 'email_changed');
