//! Demo data: a believable shop, the same every time.

mod picture;

pub use picture::picture;
