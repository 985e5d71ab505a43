//! Pieces of SQL that several statements share.

/// The list of errors with one more, the oldest of ten forgotten. `$error` is an SQL expression of type text.
macro_rules! with_error {
    ($error:literal) => {
        concat!(
            "CASE WHEN jsonb_array_length(j.errors) >= 10 THEN j.errors - 0 ELSE j.errors END",
            " || jsonb_build_object('at', now(), 'attempt', j.attempt, 'error', ",
            $error,
            ")"
        )
    };
}

pub(crate) use with_error;

/// The name under which processes tell each other of new jobs.
pub(crate) const CHANNEL: &str = "oms_jobs";
