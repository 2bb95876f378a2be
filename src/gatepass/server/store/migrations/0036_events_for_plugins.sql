-- Plugins that are told of events, and how far each has come. `due_at` is when it may go on: after a failure, or when the node
-- that tells it has been gone for too long.
CREATE TABLE event_readers (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    error TEXT NOT NULL,
    due_at DOUBLE PRECISION NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL
);
-- What they are told, numbered in the order in which it was committed; empty while there is none of them.
CREATE TABLE event_feed (
    position BIGINT PRIMARY KEY,
    id TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    jti TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX event_feed_of_user ON event_feed (user_id);
CREATE INDEX event_feed_of_actor ON event_feed (actor);
CREATE INDEX event_feed_at ON event_feed (at);
