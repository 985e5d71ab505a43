-- The merchant's request that opened a payment, {request_id, traceparent}: what the buyer does half an hour later is told
-- to the merchant under that id, so that one search finds both.
ALTER TABLE gateway.payments ADD COLUMN origin jsonb NOT NULL DEFAULT '{}';
