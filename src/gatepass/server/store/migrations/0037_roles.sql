-- Roles that operators keep beside those of the settings: their permissions, separated by spaces.
CREATE TABLE roles (
    name TEXT PRIMARY KEY,
    permissions TEXT NOT NULL
);
