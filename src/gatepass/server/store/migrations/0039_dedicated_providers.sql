-- Providers that a domain of an organization has named, once: from then on each is that organization's own.
CREATE TABLE dedicated_providers (provider TEXT PRIMARY KEY);
INSERT INTO dedicated_providers (provider) SELECT DISTINCT provider FROM organization_domains WHERE provider <> '';
