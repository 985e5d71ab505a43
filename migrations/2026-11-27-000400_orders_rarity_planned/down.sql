CREATE OR REPLACE FUNCTION orders.rarity(words text, beginning text, OUT has_rare_word boolean, OUT is_rare_beginning boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT tsvector_to_array(to_tsvector('pg_catalog.simple', rarity.words)) <@ common.elements,
           length(beginning) > 2 AND NOT EXISTS (SELECT FROM unnest(common.elements) AS word WHERE starts_with(word, beginning))
    FROM (SELECT most_common_elems::text::text[] AS elements FROM pg_catalog.pg_stats_ext_exprs
          WHERE statistics_schemaname = 'orders' AND statistics_name = 'orders_words') AS common
$$;
