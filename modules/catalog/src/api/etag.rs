//! `ETag`, `If-Match` and `If-None-Match`: which version somebody has seen.

use kernel::Text;
use poem_openapi::types::ToJSON;
use sha2::{Digest, Sha256};

use crate::version::Seen;

kernel::text_type! {
    /// An `ETag` of ours. Its first number is the version; what follows is about things that are not edited, like stock.
    pub struct EntityTag {
        min: 3, max: 39, pattern: r#"^(W/)?"[0-9]{1,18}(\.[0-9a-f]{16})?"$"#,
        say: "the ETag of an earlier answer, quotes included", example: "\"3\"",
    }
}

/// Any list of ETags.
pub(super) type EntityTags = Text<1, 1000>;

/// The tag of something that is nothing but its version.
pub(super) fn of_version(version: i64) -> String {
    format!("\"{version}\"")
}

/// The tag of something that shows more than its version counts: it changes with every byte that is shown.
pub(super) fn of_view(version: i64, view: &impl ToJSON) -> String {
    let digest = Sha256::digest(view.to_json_string().as_bytes());
    format!("\"{version}.{}\"", hex::encode(digest.get(..8).unwrap_or_default()))
}

/// The version that an `If-Match` names. A sale changes the tag of a product and not its version, so it does not come
/// between a seller and their edit.
pub(super) fn seen(tag: Option<&EntityTag>) -> Seen {
    let digits = |tag: &EntityTag| -> String {
        tag.as_str().chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect()
    };
    // Eighteen digits always fit.
    tag.map(|tag| digits(tag).parse().unwrap_or(-1))
}

/// Whether an `If-None-Match` names `tag`: the client has what we would send.
pub(super) fn is_known(tags: Option<&EntityTags>, tag: &str) -> bool {
    tags.is_some_and(|tags| {
        tags.as_str().split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_a_version() {
        let seen = |tag: &str| seen(EntityTag::parse(tag).ok().as_ref());
        assert_eq!(seen("\"17\""), Some(17));
        assert_eq!(seen("W/\"17.0123456789abcdef\""), Some(17));
        assert_eq!(seen("\"999999999999999999\""), Some(999_999_999_999_999_999));
        for bad in ["17", "\"x\"", "\"17.xyz\"", "*", "\"1\", \"2\"", "\"9999999999999999999\""] {
            assert_eq!(seen(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_known_tag_is_recognised_in_a_list() {
        let known = |tags: &str| is_known(EntityTags::parse(tags).ok().as_ref(), "\"3.ab\"");
        assert!(known("\"3.ab\"") && known("\"x\", W/\"3.ab\"") && known("*"));
        assert!(!known("\"3.ac\"") && !known("3.ab"));
        assert!(!is_known(None, "\"3\""));
    }
}
