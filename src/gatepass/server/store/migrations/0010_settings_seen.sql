CREATE TABLE settings_seen (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL
);
