//! Names of stored files. A name says everything about the file, and cannot say anything about a directory.

use super::PictureKind;

kernel::text_type! {
    /// The name of a stored picture: the SHA-256 of the picture, `-thumb` for the small one, and the kind.
    pub struct MediaName {
        min: 68, max: 75, pattern: r"^[0-9a-f]{64}(-thumb)?\.(jpg|png|webp)$",
        say: "64 hexadecimal digits, perhaps -thumb, and .jpg, .png or .webp",
        example: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.jpg",
    }
}

impl MediaName {
    /// The kind of picture under this name.
    pub fn kind(&self) -> PictureKind {
        match self.as_str().rsplit_once('.') {
            Some((_, "jpg")) => PictureKind::Jpeg,
            Some((_, "png")) => PictureKind::Png,
            _ => PictureKind::WebP,
        }
    }
}

/// Where the stored picture `name` is found by everybody.
pub fn media_url(public_url: &str, name: &str) -> String {
    format!("{}/v1/media/{name}", public_url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_names() {
        let hash = "0123456789abcdef".repeat(4);
        for (good, kind) in [
            (format!("{hash}.jpg"), PictureKind::Jpeg),
            (format!("{hash}-thumb.png"), PictureKind::Png),
            (format!("{hash}.webp"), PictureKind::WebP),
        ] {
            assert_eq!(MediaName::parse(good).unwrap().kind(), kind);
        }
        for bad in [
            format!("../{hash}.jpg"),
            format!("{hash}.svg"),
            format!("{hash}.jpg\n"),
            format!("{hash}.JPG"),
            format!("{hash}/x.jpg"),
            format!("{}.jpg", hash.to_uppercase()),
            "%2e%2e%2fetc%2fpasswd".to_owned(),
            hash,
        ] {
            assert!(MediaName::parse(bad.clone()).is_err(), "{bad}");
        }
    }
}
