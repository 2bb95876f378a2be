-- What is due is looked for by receiver, so that one that does not answer keeps nothing of what others wait for.
CREATE INDEX webhook_deliveries_due_of_webhook ON webhook_deliveries (webhook_id, due_at);
CREATE INDEX logout_deliveries_due_of_client ON logout_deliveries (client_id, due_at);
CREATE INDEX signals_due_of_stream ON signals (stream_id, due_at);
DROP INDEX webhook_deliveries_due;
DROP INDEX logout_deliveries_due;
DROP INDEX signals_due;
