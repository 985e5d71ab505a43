//! What an audit reports: a place where two ways of knowing the same thing disagree.

use serde::Serialize;

/// A difference found by `oms audit`. A module's `audit(conn)` answers all of its own; none means that it is sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The invariant, for example `stock.reserved_equals_movements`.
    pub check: &'static str,
    /// The row: `variant 018f…`, `order A7K2-…`.
    pub subject: String,
    /// What was expected and what was found.
    pub detail: String,
}

impl Difference {
    /// A difference of `check` at `subject`.
    pub fn new(check: &'static str, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), detail: detail.into() }
    }
}
