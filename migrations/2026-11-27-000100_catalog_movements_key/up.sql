-- A movement is known by its variant and the version that it made. The number it has besides is read by nobody who cannot do
-- without, and cost every line of every order a step of a sequence and the descent of an index: it is given no more. The
-- program before this one still sorts by it, so the column goes with a later version. Nothing is built or rewritten here.
ALTER TABLE catalog.stock_movements
    DROP CONSTRAINT stock_movements_pkey,
    ALTER COLUMN id DROP IDENTITY,
    ALTER COLUMN id DROP NOT NULL,
    REPLICA IDENTITY USING INDEX stock_movements_variant_id_version_after_key;
