DROP FUNCTION orders.rarity(text, text);
