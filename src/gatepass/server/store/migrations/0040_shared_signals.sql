-- Streams of OpenID Shared Signals: what a client has asked to be told, and where. `authorization_header` is sealed under the
-- data key; `events` are the names of what it is told of, `events_requested` a JSON list of what it has asked for.
CREATE TABLE signal_streams (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    method TEXT NOT NULL,
    endpoint_url TEXT NOT NULL,
    authorization_header BYTEA NOT NULL,
    events TEXT NOT NULL,
    events_requested TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    verified_at DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX signal_streams_of_client ON signal_streams (client_id);
-- What a stream still has to tell. `due_at` is when it is pushed, and null where it waits to be polled or the stream is paused.
-- No foreign keys: an account may be gone by then.
CREATE TABLE signals (
    id TEXT PRIMARY KEY,
    jti TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    event TEXT NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    initiator TEXT NOT NULL,
    reason TEXT NOT NULL,
    cause TEXT NOT NULL,
    happened_at DOUBLE PRECISION NOT NULL,
    tries BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION
);
CREATE INDEX signals_due ON signals (due_at);
CREATE INDEX signals_of_stream ON signals (stream_id, id);
CREATE UNIQUE INDEX signals_by_jti ON signals (jti);
CREATE INDEX signals_created ON signals (created_at);
-- People whom a stream is not to tell of, by the names that its client has for them.
CREATE TABLE signal_exclusions (
    stream_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (stream_id, subject)
);
