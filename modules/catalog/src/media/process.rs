//! Making a picture anew. No I/O; slow, so it belongs on a thread of its own (see [`super::Workshop`]).

use std::io::Cursor;

use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageError, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    error::{DecodingError, ImageFormatHint, LimitErrorKind},
};
use sha2::{Digest, Sha256};

use super::PictureKind;
use crate::CatalogError;

/// At most this many bytes of a file.
pub const FILE_MAX: usize = 10 * 1024 * 1024;
/// At most this many pixels from side to side.
pub const SIDE_MAX: u32 = 8_000;
/// At most this many pixels in all.
pub const PIXELS_MAX: u64 = 40_000_000;
/// The decoder may use this much memory at most: a picture of [`PIXELS_MAX`] at four bytes, and some room.
const MEMORY_MAX: u64 = 200 * 1024 * 1024;
/// At most this many scans of a JPEG; cameras make one, and those for the web ten. Each is a walk over the whole picture for
/// a few bytes of file: without a limit ten megabytes keep a core busy for minutes.
const SCANS_MAX: usize = 64;
/// The longer side of the small picture.
const THUMBNAIL_SIDE: u32 = 320;
const JPEG_QUALITY: u8 = 85;

/// A picture as it is kept, and the small one beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The name of the file: the hash of `bytes`.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// The name of the small one.
    pub thumbnail_name: String,
    /// The small one.
    pub thumbnail: Vec<u8>,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// Takes a file in.
///
/// # Errors
/// Too many bytes or pixels; not a kind we take; broken.
pub(super) fn process(file: &[u8]) -> Result<Picture, CatalogError> {
    if file.len() > FILE_MAX {
        return Err(CatalogError::ImageTooLarge);
    }
    let kind = PictureKind::of(file).ok_or(CatalogError::UnsupportedImage)?;
    let image = decode(file, kind)?;
    // Photographs are smaller as JPEG; whatever is transparent has to be PNG.
    let (image, kind) = if is_transparent(&image) {
        (DynamicImage::ImageRgba8(image.into_rgba8()), PictureKind::Png)
    } else {
        (DynamicImage::ImageRgb8(image.into_rgb8()), PictureKind::Jpeg)
    };
    let bytes = encode(&image, kind)?;
    let small = if image.width().max(image.height()) > THUMBNAIL_SIDE {
        encode(&image.thumbnail(THUMBNAIL_SIDE, THUMBNAIL_SIDE), kind)?
    } else {
        bytes.clone()
    };
    let (hash, extension) = (hex::encode(Sha256::digest(&bytes)), kind.extension());
    Ok(Picture {
        name: format!("{hash}.{extension}"),
        bytes,
        thumbnail_name: format!("{hash}-thumb.{extension}"),
        thumbnail: small,
        width: image.width(),
        height: image.height(),
    })
}

fn decode(file: &[u8], kind: PictureKind) -> Result<DynamicImage, CatalogError> {
    let broken = |what: &'static str| {
        CatalogError::ImageBroken(ImageError::Decoding(DecodingError::new(ImageFormatHint::Exact(kind.format()), what)))
    };
    if kind == PictureKind::Jpeg {
        let scans = jpeg_scans(file).ok_or_else(|| broken("the file ends before the picture does"))?;
        if scans > SCANS_MAX {
            return Err(broken("the picture is cut into too many scans"));
        }
    }
    let mut reader = ImageReader::with_format(Cursor::new(file), kind.format());
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width > SIDE_MAX || height > SIDE_MAX || u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(CatalogError::ImageDimensions);
    }
    // A picture without a readable note on how to hold it is held as it is.
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

fn refused(error: ImageError) -> CatalogError {
    match error {
        ImageError::Limits(limit)
            if matches!(limit.kind(), LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory) =>
        {
            CatalogError::ImageDimensions
        }
        other => CatalogError::ImageBroken(other),
    }
}

/// How many scans the JPEG has; `None` when it has no end. The decoder fills in what is missing; a buyer should not see half
/// a shirt in grey.
fn jpeg_scans(file: &[u8]) -> Option<usize> {
    // Behind SOI come segments: FF, a marker, and a length that counts itself. Behind the scans comes EOI (FF D9); a scan
    // itself contains neither that nor the beginning of another (FF DA). A preview in the metadata has both, hence the walk
    // to the first scan.
    let mut rest = file.get(2..).unwrap_or_default();
    loop {
        match rest {
            [0xff, 0xff, ..] => rest = rest.get(1..).unwrap_or_default(),
            [0xff, 0xda, ..] => break,
            [0xff, marker, high, low, ..] if *marker != 0xd9 => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                match rest.get(2 + length..) {
                    Some(next) if length >= 2 => rest = next,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    let end = rest.windows(2).position(|pair| pair == [0xff, 0xd9])?;
    Some(rest.get(..end).unwrap_or_default().windows(2).filter(|pair| *pair == [0xff, 0xda]).count())
}

fn is_transparent(image: &DynamicImage) -> bool {
    // Looked at in place: a copy of a large picture is 160 MB.
    image.color().has_alpha() && image.pixels().any(|(_, _, pixel)| pixel.0.last().is_some_and(|alpha| *alpha < 255))
}

fn encode(image: &DynamicImage, kind: PictureKind) -> Result<Vec<u8>, CatalogError> {
    let mut bytes = Vec::new();
    match kind {
        PictureKind::Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        PictureKind::Png | PictureKind::WebP => image.write_with_encoder(PngEncoder::new(&mut bytes)),
    }
    .map_err(CatalogError::ImageNotWritten)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_is_complete_when_its_scans_have_an_end() {
        let metadata_with_an_end = [0xff, 0xe1, 0x00, 0x08, 0xff, 0xda, 0xff, 0xd9, 0x00, 0x00];
        let picture = |scan: &[u8]| [&[0xff, 0xd8][..], &metadata_with_an_end, scan].concat();
        let scan = [0xff, 0xda, 0x00, 0x02, 0x11];
        assert_eq!(jpeg_scans(&picture(&[&scan[..], &[0xff, 0xd9]].concat())), Some(1));
        assert_eq!(jpeg_scans(&picture(&[&[0xff], &scan[..], &scan, &[0xff, 0xd9, 0xff, 0xda]].concat())), Some(2));
        for bad in [&scan[..], &[], &[0xff, 0xd9], &[0xff, 0xe0, 0x00, 0x01], &[0x00; 8]] {
            assert_eq!(jpeg_scans(&picture(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn the_same_file_gives_the_same_name() {
        let mut file = Vec::new();
        DynamicImage::new_rgb8(400, 300).write_with_encoder(PngEncoder::new(&mut file)).unwrap();
        let picture = process(&file).unwrap();
        assert_eq!(picture, process(&file).unwrap());
        assert_eq!(picture.name, format!("{}.jpg", hex::encode(Sha256::digest(&picture.bytes))));
        assert_eq!(picture.thumbnail_name, picture.name.replace(".jpg", "-thumb.jpg"));
        assert_eq!((picture.width, picture.height), (400, 300));
    }
}
