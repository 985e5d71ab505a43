ALTER TABLE kernel.idempotency_keys DROP COLUMN about;
