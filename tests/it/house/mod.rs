//! What holds for the whole house, whatever is built in it.

mod architecture;
mod authz;
mod computed;
mod deadlines;
mod document;
mod guarantees;
mod headers;
mod hostile;
mod injection;
mod limits;
mod migrations;
mod mutants;
mod operation;
mod schema;
pub mod source;
mod strangers;
mod tokens;
