-- How a password was hashed where that was not our own way: what one that is not there costs must not tell who moved in.
-- Nothing where it is our own; NULL until it has been looked at.
ALTER TABLE passwords ADD COLUMN kind TEXT;
CREATE INDEX passwords_of_kind ON passwords (kind) WHERE kind IS NULL OR kind <> '';
