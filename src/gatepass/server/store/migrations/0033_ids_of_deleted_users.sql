-- Ids that users had: applications may keep data under them, so that nobody gets one again. Only the SHA-256 stays.
CREATE TABLE deleted_user_ids (
    digest BYTEA PRIMARY KEY
);
