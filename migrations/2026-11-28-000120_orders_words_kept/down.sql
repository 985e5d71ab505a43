ALTER INDEX orders.orders_seasons ALTER COLUMN 1 SET STATISTICS -1;
ALTER INDEX orders.orders_search ALTER COLUMN 1 SET STATISTICS -1;
ALTER INDEX orders.orders_search RESET (gin_pending_list_limit);
