//! Places in a list: opaque to clients, the sort key of the last row to us (keyset pagination, no offsets).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Kind, Problem};

/// How many rows a list answers when the caller does not say.
pub const LIMIT_DEFAULT: u32 = 20;
/// How many rows a list answers at most.
pub const LIMIT_MAX: u32 = 100;

const BAD_CURSOR: Kind = Kind::new("invalid_cursor", 400, "The cursor is not one of ours");

crate::text_type! {
    /// An opaque place in a list, as handed out in `next_cursor`.
    pub struct Cursor { min: 1, max: 512, pattern: "^[A-Za-z0-9_-]+$", say: "a cursor taken from next_cursor", example: "eyJpIjoxfQ" }
}

impl Cursor {
    /// A cursor that carries `key`: the sort key and id of the last row shown.
    pub fn encode(key: &impl Serialize) -> String {
        // Keys are small structs of strings and numbers, which always serialise.
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
    }

    /// The key that [`Cursor::encode`] was given.
    ///
    /// # Errors
    /// `invalid_cursor` (400) when it was made by another list, another sort order, or somebody else.
    pub fn decode<K: DeserializeOwned>(&self) -> Result<K, Problem> {
        BASE64_URL_SAFE_NO_PAD
            .decode(self.as_str())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(Self::of_another_list)
    }

    /// The problem of a cursor that was made by another list or another sort order.
    pub fn of_another_list() -> Problem {
        BAD_CURSOR.problem("Start again without a cursor, or use next_cursor of the same list unchanged.")
    }
}

pub(crate) const PROBLEMS: &[Kind] = &[BAD_CURSOR];
