-- What has not been put in its place in the index yet is looked through at each search: about 8 pages, not 512. That is a lock which
-- everybody waits for, so it is not asked for for long.
SET LOCAL lock_timeout = '500ms';
SELECT gin_clean_pending_list('orders.orders_search');
ALTER INDEX orders.orders_search SET (gin_pending_list_limit = 64);

-- How common words are is known by `orders_words`.
ALTER INDEX orders.orders_search ALTER COLUMN 1 SET STATISTICS 0;
ALTER INDEX orders.orders_seasons ALTER COLUMN 1 SET STATISTICS 0;
