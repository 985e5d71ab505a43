-- A movement is known by its variant and the version that it made. The number it had besides was read by nobody who could not
-- do with that, and cost every line of every order a step of a sequence and the descent of an index.
ALTER TABLE catalog.stock_movements
    DROP COLUMN id,
    DROP CONSTRAINT stock_movements_variant_id_version_after_key,
    ADD PRIMARY KEY (variant_id, version_after);

-- Programs that do not know this migration read the number when stock is counted.
UPDATE kernel.compatibility SET floor = '20261127000100';
