//! What the operator's desk can refuse.

use crate::error::OrderError;

kernel::problem_responses! {
    /// Why staff cannot do it to an order.
    pub enum DeskCommandProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthorized = 401,
        /// This is for operators
        Forbidden = 403,
        /// There is no such order or export
        NotFound = 404,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why an export cannot be asked for.
    pub enum ExportRequestProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthorized = 401,
        /// This is for operators
        Forbidden = 403,
        /// The first request with this key is still being worked on
        Conflict = 409,
        /// The Idempotency-Key belongs to another request
        KeyReused = 422,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why a file cannot be fetched.
    pub enum ExportFileProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// There is no such file, the link is not whole, or its day is over
        NotFound = 404,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why a note cannot be written.
    pub enum NoteProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthorized = 401,
        /// Only staff write internal notes
        Forbidden = 403,
        /// There is no such order among those you may see
        NotFound = 404,
        /// The first request with this key is still being worked on
        Conflict = 409,
        /// The Idempotency-Key belongs to another request
        KeyReused = 422,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}
