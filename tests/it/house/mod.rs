//! What holds for the whole house, whatever is built in it.

mod architecture;
mod authz_coverage;
mod computed;
mod deadlines;
mod document;
mod guarantees;
mod headers;
mod hostile;
mod injection;
mod limits;
mod migrations;
mod operation;
mod schema;
mod source;
mod strangers;
