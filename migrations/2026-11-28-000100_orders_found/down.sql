ALTER INDEX orders.orders_search RESET (gin_pending_list_limit);
DROP FUNCTION orders.found;
DROP FUNCTION orders.season_words;
