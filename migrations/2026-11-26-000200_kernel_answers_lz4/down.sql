ALTER TABLE kernel.idempotency_keys ALTER COLUMN body SET COMPRESSION default;
