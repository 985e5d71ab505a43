//! The module over HTTP, with a database, a clock that stands still and a mailer that remembers.

mod admin;
mod document;
mod hostile;
mod jobs;
mod login;
mod me;
mod pages;
mod passwords;
mod refresh;
mod register;
mod support;
mod timing;
mod verify;
