//! How often something may be done: requests, log-ins, and both when Redis counts along.

mod logins;
mod requests;
mod together;
