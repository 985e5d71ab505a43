-- What is looked for is mostly in new orders, but an index gathers every place of every word that begins like the last one before
-- it looks at the others: with a million orders 4 ms for what 5,000 of them have, and 30 for what 50,000 have. So words are indexed by
-- season as well: by the 2^32 milliseconds (50 days) that the first four digits of an identifier count (UUIDv7, RFC 9562, 5.7).
-- Nobody looks for more than 200 letters; a longer word would not fit with its season. What changes `search_words` has to build both
-- indexes anew.
CREATE FUNCTION orders.season_words(id uuid, number text, ship_to jsonb, note text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE COST 1000 AS $$
BEGIN
    RETURN array_to_tsvector(ARRAY(SELECT left(id::text, 4) || left(word, 500)
        FROM unnest(tsvector_to_array(orders.search_words(number, ship_to, note))) AS word));
END $$;

-- The orders beyond pending whose words are `whole`, if the index is asked for `asked`, which is the same or less: the newest `wanted`
-- before `below` at least, or all if these are null. Both are made of words without quotes, joined by & and <-> only. What is
-- planned must not depend on the words, or PostgreSQL would gather the very beginnings that it is not asked for.
CREATE FUNCTION orders.found(asked tsquery, whole tsquery, below uuid, wanted integer) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    -- Of a word that PostgreSQL parts (4E5B is a number and a letter), an index is asked for the first part.
    parts text := regexp_replace(asked::text, ' <[-\d]+> ''[^'']+''(:\*)?', '', 'g');
    is_less boolean := parts <> whole::text;
    older uuid := below;
    season text;
    query tsquery;
    here bigint;
BEGIN
    -- Two seasons, because the one that is not over may be young.
    FOR n IN 1..3 LOOP
        EXIT WHEN wanted IS NULL;
        season := (SELECT left(id::text, 4) FROM orders.orders WHERE id < coalesce(older, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            ORDER BY id DESC LIMIT 1);
        IF season IS NULL THEN
            RETURN;
        END IF;
        EXIT WHEN n = 3;
        query := regexp_replace(parts, '''([^'']+)''', '''' || season || '\1''', 'g');
        -- In two steps, or PostgreSQL would look through order after order.
        RETURN QUERY SELECT id FROM (
                SELECT o.id FROM orders.orders o
                WHERE o.status <> 'pending' AND orders.season_words(o.id, o.number, o.ship_to, o.note) @@ query
                    AND (o.id < older) IS NOT FALSE
                    AND (NOT is_less OR orders.search_words(o.number, o.ship_to, o.note) @@ whole)
                OFFSET 0) AS here ORDER BY id DESC LIMIT wanted;
        GET DIAGNOSTICS here = ROW_COUNT;
        wanted := wanted - here;
        IF wanted <= 0 THEN
            RETURN;
        END IF;
        older := season || '0000-0000-0000-0000-000000000000';
    END LOOP;
    query := parts;
    RETURN QUERY SELECT o.id FROM orders.orders o
        WHERE o.status <> 'pending' AND orders.search_words(o.number, o.ship_to, o.note) @@ query
            AND (o.id < older) IS NOT FALSE
            AND (NOT is_less OR orders.search_words(o.number, o.ship_to, o.note) @@ whole);
END $$;
