//! The mock payment gateway: a program of its own, reached over HTTP only.
