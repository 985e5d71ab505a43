//! Placing orders and their life; the only module that knows its siblings.
