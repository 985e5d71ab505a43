//! The words of orders, in SQL. Nobody who looks for words can say anything else with them: see [`words`].

/// The most words of a search that count.
const WORDS_MAX: usize = 8;

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

/// Whether an order's words are these: all of them have to be there.
pub(super) fn has(words: &[String], end: &str) -> String {
    let words = words.join("'' & ''");
    format!("@@ to_tsquery('pg_catalog.simple', '''{words}''{end}')")
}

/// The words of an order, which are what is indexed.
pub(super) fn words_of(order: &str) -> String {
    format!("orders.search_words({order}.number, {order}.ship_to, {order}.note)")
}

/// Whether an order that is looked at by itself has these words. Finding letters in a text costs PostgreSQL a tenth of taking it apart
/// into words, so that is only done if the letters are there. PostgreSQL asks what costs less first. Nothing is expected of words with
/// letters beyond ASCII, whose capitals are not the same everywhere, and of those with a number like `1e5`, which PostgreSQL parts
/// from what follows.
pub(super) fn has_by_itself(order: &str, words: &[String]) -> String {
    let is_number = |part: &[u8]| matches!(part, [b'0'..=b'9', b'e', b'0'..=b'9']);
    let letters = words.iter().filter(|word| {
        word.bytes().all(|letter| letter.is_ascii_alphanumeric()) && !word.as_bytes().windows(3).any(is_number)
    });
    let text = format!(
        "lower(concat_ws(' ', {order}.number, {order}.ship_to ->> 'name', {order}.ship_to ->> 'city', {order}.note))"
    );
    let there: String = letters.map(|letters| format!("strpos({text}, '{letters}') > 0 AND ")).collect();
    format!("{there}{} {}", words_of(order), has(words, ":*"))
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

    #[test]
    fn letters_are_expected_of_plain_words_only() {
        for (word, is_expected) in [("7k2m", true), ("e5", true), ("1e5x", false), ("hà", false)] {
            assert_eq!(has_by_itself("o", &words(word)).starts_with("strpos("), is_expected, "{word}");
        }
    }
}
