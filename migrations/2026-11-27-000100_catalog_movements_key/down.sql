ALTER TABLE catalog.stock_movements
    DROP CONSTRAINT stock_movements_pkey,
    ADD CONSTRAINT stock_movements_variant_id_version_after_key UNIQUE (variant_id, version_after),
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
UPDATE kernel.compatibility SET floor = '20261122000110';
