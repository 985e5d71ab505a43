//! How often something may be done: requests, log-ins, and both when Redis counts along; and what Redis keeps of the catalog.

mod catalog_cache;
mod logins;
mod requests;
mod together;
