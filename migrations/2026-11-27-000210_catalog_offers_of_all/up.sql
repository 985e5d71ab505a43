-- What has a stock row already gets its offer, a thousand at a time, so that no order waits for more than that. In no transaction: if
-- it is interrupted, it is run again.
DO $$
DECLARE
    last uuid := '00000000-0000-0000-0000-000000000000';
    variants uuid[];
BEGIN
    LOOP
        variants := ARRAY(SELECT s.variant_id FROM catalog.stock s WHERE s.variant_id > last ORDER BY s.variant_id LIMIT 1000);
        EXIT WHEN variants = '{}';
        PERFORM catalog.renew_offers(variants);
        last := variants[cardinality(variants)];
        COMMIT;
    END LOOP;
    ALTER TABLE catalog.stock
        ALTER COLUMN product_id SET NOT NULL,
        ALTER COLUMN business_id SET NOT NULL,
        ALTER COLUMN sku SET NOT NULL,
        ALTER COLUMN name SET NOT NULL,
        ALTER COLUMN unit_price_minor SET NOT NULL,
        ALTER COLUMN list_price_minor SET NOT NULL,
        ALTER COLUMN currency SET NOT NULL,
        ALTER COLUMN sellable SET NOT NULL;
END
$$
