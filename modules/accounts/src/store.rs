//! The module's statements, one file for each kind of row.

pub(crate) mod api_keys;
pub(crate) mod one_time_tokens;
pub(crate) mod sessions;
pub(crate) mod users;
