-- Who made an account: its owner ('self'), the operator, or an import. Of one that was made before this was kept the
-- events say it, for as long as they are kept; after that its roles do, which only an operator gives.
ALTER TABLE users ADD COLUMN origin TEXT NOT NULL DEFAULT 'self';
UPDATE users SET origin = 'import' WHERE EXISTS (
    SELECT 1 FROM events WHERE events.user_id = users.id AND kind = 'account_created' AND reason = 'imported');
UPDATE users SET origin = 'operator' WHERE EXISTS (
    SELECT 1 FROM events WHERE events.user_id = users.id AND kind = 'account_created' AND actor = 'operator' AND reason = '');
UPDATE users SET origin = 'operator' WHERE roles <> '' AND NOT EXISTS (
    SELECT 1 FROM events WHERE events.user_id = users.id AND kind = 'account_created');
