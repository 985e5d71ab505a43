DROP FUNCTION orders.has_rare_word;
