-- A list gives out places only in the epoch that it was opened in: a store that went back may have given some already.
ALTER TABLE status_lists ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
UPDATE status_lists SET epoch = COALESCE((SELECT epoch FROM revocation_head WHERE one = 1), '');
