DROP FUNCTION orders.found;
DROP FUNCTION orders.season_words;
