-- The network that a request was pushed from, so that no stranger uses up what a public client may have waiting.
ALTER TABLE pushed_requests ADD COLUMN asked_from TEXT NOT NULL DEFAULT '';
-- The browser's session in which a client's own one, offline or on a device, was given: a theft of the one ends the
-- other. Empty for a browser's.
ALTER TABLE sessions ADD COLUMN approved_in TEXT NOT NULL DEFAULT '';
