//! A database per test, builders and redactions.
