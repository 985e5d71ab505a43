//! The words of orders, in SQL. Nobody who looks for words can say anything else with them: see [`words`].

/// The most words of a search that count.
const WORDS_MAX: usize = 8;

/// The words of an order, which are what is indexed.
const WORDS: &str = "orders.search_words(orders.orders.number, orders.orders.ship_to, orders.orders.note)";

/// What they are taken from, with small letters as far as those are ASCII: whatever PostgreSQL makes one of `i` and `k` is one
/// here too, however its capitals are read.
const TEXT: &str = "lower(replace(replace(concat_ws(' ', orders.orders.number, orders.orders.ship_to ->> 'name', \
    orders.orders.ship_to ->> 'city', orders.orders.note), '\u{130}', 'i'), '\u{212a}', 'k') COLLATE \"C\")";

/// The words that are looked for. Whatever is no letter and no digit parts them, so nothing is left of quotes, operators and
/// backslashes; a mark that belongs to the letter before it stays.
pub(super) fn words(q: &str) -> Vec<String> {
    let parts = |letter: char| letter.is_ascii() && !letter.is_ascii_alphanumeric() || letter.is_whitespace();
    q.split(parts)
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .map(str::to_lowercase)
        .collect()
}

/// What is asked for who wants all of these words; `:*` at the end, and the last one may be unfinished.
pub(super) fn query(words: &[String], end: &str) -> String {
    let words = words.join("'' & ''");
    format!("to_tsquery('pg_catalog.simple', '''{words}''{end}')")
}

/// Whether an order has these words; the last one may be unfinished.
pub(super) fn has(words: &[String]) -> String {
    format!("{WORDS} @@ {}", query(words, ":*"))
}

/// The same for an order that is looked at by itself, without an index. Finding the letters of a word costs PostgreSQL a tenth of
/// taking an order apart into words, so that is only done if they are there (it asks first what costs less). Nothing is expected of
/// words with letters beyond ASCII, and of those with a number like `1e5`, which PostgreSQL parts from what follows.
pub(super) fn has_by_itself(words: &[String]) -> String {
    let is_number = |part: &[u8]| matches!(part, [b'0'..=b'9', b'e', b'0'..=b'9']);
    let letters = words.iter().filter(|word| {
        word.bytes().all(|letter| letter.is_ascii_alphanumeric()) && !word.as_bytes().windows(3).any(is_number)
    });
    let there: String = letters.map(|letters| format!("strpos({TEXT}, '{letters}') > 0 AND ")).collect();
    format!("{there}{}", has(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_of_letters_and_digits() {
        assert_eq!(words(" -- '' "), Vec::<String>::new());
        assert_eq!(words("Hà"), ["hà"]);
        assert_eq!(words("x'; DROP \u{85}\\(a:*)"), ["x", "drop", "a"]);
    }
}
