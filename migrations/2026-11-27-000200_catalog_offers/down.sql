DROP TRIGGER products_offer ON catalog.products;
DROP TRIGGER variants_offer ON catalog.variants;
DROP TRIGGER stock_offer ON catalog.stock;
DROP FUNCTION catalog.offer_again();
DROP FUNCTION catalog.renew_offers(uuid[]);
DROP FUNCTION catalog.offer_first();
ALTER TABLE catalog.stock
    DROP COLUMN product_id,
    DROP COLUMN business_id,
    DROP COLUMN sku,
    DROP COLUMN name,
    DROP COLUMN unit_price_minor,
    DROP COLUMN list_price_minor,
    DROP COLUMN currency,
    DROP COLUMN sellable;
DROP VIEW catalog.offers;
