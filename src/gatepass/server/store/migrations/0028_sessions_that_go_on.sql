-- The session that this one goes on from, where the same person signed in anew in the same browser: clients know it by
-- the first one's name. Else empty.
ALTER TABLE sessions ADD COLUMN known_as TEXT NOT NULL DEFAULT '';
