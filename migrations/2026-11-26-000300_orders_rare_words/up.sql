-- Whether one of these words is in so few orders that PostgreSQL's statistics do not count it: then the orders with all of them
-- are few, or at least one in a thousand. Nothing while there are no statistics. They are shown to a table's owner only.
CREATE FUNCTION orders.has_rare_word(words text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT tsvector_to_array(to_tsvector('pg_catalog.simple', words)) <@ most_common_elems::text::text[]
    FROM pg_catalog.pg_stats_ext_exprs WHERE statistics_schemaname = 'orders' AND statistics_name = 'orders_words'
$$;
