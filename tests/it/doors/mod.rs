//! Who is let in, and what is known about it afterwards.

mod keys;
mod people;
mod processes;
mod trail;
