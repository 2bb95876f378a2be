-- Where events are told of (Standard Webhooks). Secrets are sealed under the data key; `events` is a JSON list of names.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret BYTEA NOT NULL,
    former_secret BYTEA NOT NULL,
    former_until DOUBLE PRECISION NOT NULL,
    sequence BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
-- What is to be told, and what was. `due_at` is null once there is nothing more to do. No foreign keys: an account may be
-- gone by then.
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    event TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    happened_at DOUBLE PRECISION NOT NULL,
    sequence BIGINT NOT NULL,
    status TEXT NOT NULL,
    error TEXT NOT NULL,
    tries BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at);
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, sequence);
CREATE INDEX webhook_deliveries_of_user ON webhook_deliveries (user_id);
CREATE INDEX webhook_deliveries_of_actor ON webhook_deliveries (actor);
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at);
-- Whether an event has still to be handed to the webhooks; never set while there is none.
ALTER TABLE events ADD COLUMN is_news BIGINT NOT NULL DEFAULT 0;
CREATE INDEX events_that_are_news ON events (id) WHERE is_news = 1;
