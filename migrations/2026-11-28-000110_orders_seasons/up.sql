CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_seasons ON orders.orders USING gin (orders.season_words(id, number, ship_to, note))
    WITH (gin_pending_list_limit = 64) WHERE status <> 'pending'
