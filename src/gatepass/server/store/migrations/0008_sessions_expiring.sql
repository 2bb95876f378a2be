CREATE INDEX sessions_expiring ON sessions (expires_at);
