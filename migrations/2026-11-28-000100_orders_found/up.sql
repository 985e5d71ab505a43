-- What is looked for is mostly in new orders, but an index gathers every place of every word that begins like the last one before
-- it looks at the others: with a million orders 4 ms for what 5,000 of them have, and 30 for what 50,000 have. So words are indexed by
-- season as well: by the 2^32 milliseconds (50 days) that the first four digits of an identifier count (UUIDv7, RFC 9562, 5.7).
-- Nobody looks for more than 200 letters; a longer word would not fit with its season.
CREATE FUNCTION orders.season_words(id uuid, number text, ship_to jsonb, note text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE COST 1000 AS $$
BEGIN
    RETURN array_to_tsvector(ARRAY(SELECT left(id::text, 4) || left(word, 500)
        FROM unnest(tsvector_to_array(orders.search_words(number, ship_to, note))) AS word));
END $$;

-- The orders beyond pending whose words are `whole`, if the index is asked for `asked`, which is the same or less: all of them, or
-- (unless `wanted` is null) at least the newest so many before `below`. Some may be there twice, or not before `below`.
CREATE FUNCTION orders.found(asked tsquery, whole tsquery, below uuid, wanted integer) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE ROWS 100 SET enable_seqscan = off AS $$
DECLARE
    -- Words that follow each other are looked for like any others there, because a season's words have no places.
    is_less boolean := asked <> whole OR asked::text ~ '<[-\d]+>';
    in_season text := regexp_replace(regexp_replace(asked::text, '<[-\d]+>', '&', 'g'), '''([^'']+)''', '''<>\1''', 'g');
    newest uuid := below;
    season text;
    query tsquery;
    here bigint;
BEGIN
    IF wanted IS NOT NULL THEN
        -- The season that is not over may be young.
        FOR n IN 1..2 LOOP
            newest := (SELECT id FROM orders.orders WHERE id < coalesce(newest, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT 1);
            EXIT WHEN newest IS NULL;
            season := left(newest::text, 4);
            query := replace(in_season, '<>', season);
            -- In two steps, or PostgreSQL would look through order after order.
            RETURN QUERY SELECT id FROM (
                    SELECT o.id FROM orders.orders o
                    WHERE o.status <> 'pending' AND orders.season_words(o.id, o.number, o.ship_to, o.note) @@ query
                        AND (o.id < below) IS NOT FALSE
                        AND (NOT is_less OR orders.search_words(o.number, o.ship_to, o.note) @@ whole)
                    OFFSET 0) AS here ORDER BY id DESC LIMIT wanted;
            GET DIAGNOSTICS here = ROW_COUNT;
            wanted := wanted - here;
            IF wanted <= 0 THEN
                RETURN;
            END IF;
            newest := season || '0000-0000-0000-0000-000000000000';
        END LOOP;
    END IF;
    RETURN QUERY SELECT o.id FROM orders.orders o
        WHERE o.status <> 'pending' AND orders.search_words(o.number, o.ship_to, o.note) @@ asked
            AND (asked = whole OR orders.search_words(o.number, o.ship_to, o.note) @@ whole);
END $$;

-- What has not been put in its place yet is looked through at each search: 8 pages at the most, not 512.
ALTER INDEX orders.orders_search SET (gin_pending_list_limit = 64);
