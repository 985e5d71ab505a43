//! What holds for the whole house, whatever is built in it.

mod architecture;
mod authz;
mod document;
mod hostile;
mod limits;
mod migrations;
mod operation;
mod schema;
mod source;
mod strangers;
mod tokens;
