-- Those that have no number get one behind all others, in the order of time.
ALTER TABLE catalog.stock_movements DISABLE TRIGGER stock_movements_append_only;
UPDATE catalog.stock_movements m SET id = n.id
FROM (SELECT variant_id, version_after, row_number() OVER (ORDER BY at, variant_id, version_after)
          + (SELECT coalesce(max(id), 0) FROM catalog.stock_movements) AS id
      FROM catalog.stock_movements WHERE id IS NULL) n
WHERE m.variant_id = n.variant_id AND m.version_after = n.version_after;
ALTER TABLE catalog.stock_movements ENABLE TRIGGER stock_movements_append_only;

ALTER TABLE catalog.stock_movements ALTER COLUMN id SET NOT NULL;
ALTER TABLE catalog.stock_movements
    REPLICA IDENTITY DEFAULT,
    ADD PRIMARY KEY (id),
    ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval('catalog.stock_movements_id_seq', max(id)) FROM catalog.stock_movements;
