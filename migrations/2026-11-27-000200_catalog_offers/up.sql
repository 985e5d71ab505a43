-- What placing must know of a variant stands in its stock row, which placing locks anyway: looking up the variant and its
-- product was a sixth of what an order costs PostgreSQL. It is read under the lock, so an order gets the price of that moment.

-- Products before stock, as whoever changes one takes them; and orders, which wait for stock, wait only for what follows.
LOCK TABLE catalog.products, catalog.variants IN SHARE ROW EXCLUSIVE MODE;

CREATE VIEW catalog.offers AS
    SELECT v.id AS variant_id, v.product_id, v.business_id, v.sku,
           CASE WHEN v.name IS NULL THEN p.name ELSE p.name || ', ' || v.name END AS name,
           v.unit_price_minor, v.price_minor AS list_price_minor, p.currency,
           p.active AND p.deleted_at IS NULL AND v.deleted_at IS NULL AS sellable
    FROM catalog.variants v JOIN catalog.products p ON p.id = v.product_id;

-- Behind the counters, so that the log need not repeat them when only those change. They are filled by the next migration.
ALTER TABLE catalog.stock
    ADD COLUMN product_id uuid,
    ADD COLUMN business_id uuid,
    ADD COLUMN sku text,
    ADD COLUMN name text,
    ADD COLUMN unit_price_minor bigint,
    ADD COLUMN list_price_minor bigint,
    ADD COLUMN currency text,
    ADD COLUMN sellable boolean;

-- Both rows are held while the offer is made of them: whoever changes the other one comes before, and is seen, or after.
CREATE FUNCTION catalog.offer_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT o.product_id, o.business_id, o.sku, o.name, o.unit_price_minor, o.list_price_minor, o.currency, o.sellable
    INTO NEW.product_id, NEW.business_id, NEW.sku, NEW.name, NEW.unit_price_minor, NEW.list_price_minor, NEW.currency, NEW.sellable
    FROM catalog.offers o WHERE o.variant_id = NEW.variant_id FOR SHARE;
    RETURN NEW;
END
$$;
CREATE TRIGGER stock_offer BEFORE INSERT ON catalog.stock FOR EACH ROW EXECUTE FUNCTION catalog.offer_first();

-- Makes the offers of these variants again, and writes those that are another than before: most changes of a product are about
-- something else. Stock rows are taken sorted, as orders take them. One at a time for each product, whoever asks; and whoever changes
-- a variant by hand locks its product first, as the program does, or two who do may be a deadlock.
CREATE FUNCTION catalog.renew_offers(variants uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM catalog.products p WHERE p.id IN (SELECT v.product_id FROM catalog.variants v WHERE v.id = ANY (variants))
        ORDER BY p.id FOR NO KEY UPDATE;
    WITH stale AS MATERIALIZED (
        SELECT s.variant_id FROM catalog.stock s JOIN catalog.offers o USING (variant_id)
        WHERE s.variant_id = ANY (variants)
            AND (s.product_id, s.business_id, s.sku, s.name, s.unit_price_minor, s.list_price_minor, s.currency, s.sellable)
                IS DISTINCT FROM (o.product_id, o.business_id, o.sku, o.name, o.unit_price_minor, o.list_price_minor, o.currency, o.sellable)
        ORDER BY s.variant_id FOR UPDATE OF s)
    UPDATE catalog.stock s
    SET product_id = o.product_id, business_id = o.business_id, sku = o.sku, name = o.name, unit_price_minor = o.unit_price_minor,
        list_price_minor = o.list_price_minor, currency = o.currency, sellable = o.sellable
    FROM stale JOIN catalog.offers o USING (variant_id) WHERE s.variant_id = o.variant_id;
END
$$;

-- Once for each statement, so that all its stock rows are taken together.
CREATE FUNCTION catalog.offer_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'products' THEN
        PERFORM catalog.renew_offers(ARRAY(SELECT v.id FROM catalog.variants v WHERE v.product_id IN (SELECT c.id FROM changed c)));
    ELSE
        PERFORM catalog.renew_offers(ARRAY(SELECT c.id FROM changed c));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER variants_offer AFTER UPDATE ON catalog.variants
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION catalog.offer_again();
CREATE TRIGGER products_offer AFTER UPDATE ON catalog.products
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION catalog.offer_again();
