ALTER TABLE gateway.payments DROP COLUMN origin;
