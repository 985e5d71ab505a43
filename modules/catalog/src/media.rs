//! Pictures: taken in by their content, made anew without anything that is not picture, and kept under the hash of what
//! is kept.
//!
//! A picture is decoded and encoded again whatever it was, so nothing that hides in a file survives: no metadata, no
//! script, no archive behind the last pixel. The bytes are stored before the row that names them is written, outside of
//! any transaction; a stored file that no row names is removed later.

mod attach;
mod detach;
mod kind;
mod name;
mod process;
mod serve;
mod store;
mod sweep;
mod workshop;

pub use attach::attach_image;
pub use detach::{delete_image, order_images};
pub use kind::PictureKind;
pub use name::{MediaName, media_url};
pub use process::{FILE_MAX, PIXELS_MAX, Picture, SIDE_MAX};
pub use serve::open;
pub use store::{MediaStore, OpenStoreError, keep, open_store};
pub use sweep::sweep;
pub use workshop::Workshop;

/// At most this many pictures of a product.
pub const IMAGES_MAX: usize = 20;
