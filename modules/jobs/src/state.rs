//! Where a job is in its life.

use std::{fmt, str::FromStr};

/// The state of a job, as it stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting for its first attempt.
    New,
    /// Claimed by a worker.
    InProgress,
    /// Waiting for another attempt.
    Retried,
    /// Done. Removed after a day.
    Finished,
    /// Dead: given up, or out of attempts. Kept.
    Failed,
    /// Taken out of the queue by an operator. Removed after a day.
    Cancelled,
}

impl State {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 6] =
        [Self::New, Self::InProgress, Self::Retried, Self::Finished, Self::Failed, Self::Cancelled];

    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InProgress => "in_progress",
            Self::Retried => "retried",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state of a job; the states are new, in_progress, retried, finished, failed, cancelled")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}
