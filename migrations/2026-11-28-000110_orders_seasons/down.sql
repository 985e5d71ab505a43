DROP INDEX CONCURRENTLY orders.orders_seasons
