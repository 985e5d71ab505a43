//! Handing pictures out to everybody, in a way that a browser cannot take for anything else.

use bytes::Bytes;
use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::Path,
    payload::Payload,
    registry::{MetaSchema, MetaSchemaRef},
};

use super::{Tag, problem::CatalogReadProblem};
use crate::{
    Catalog,
    media::{self, MediaName, PictureKind},
};

/// Stored pictures.
pub struct MediaApi(pub(super) Catalog);

/// The bytes of a stored picture, under the type that we know it has.
struct StoredPicture {
    kind: PictureKind,
    bytes: Bytes,
}

impl Payload for StoredPicture {
    const CONTENT_TYPE: &'static str = "image/*";
    fn check_content_type(_content_type: &str) -> bool {
        false
    }
    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")))
    }
}

impl IntoResponse for StoredPicture {
    fn into_response(self) -> Response {
        Response::builder().content_type(self.kind.content_type()).body(self.bytes)
    }
}

#[derive(ApiResponse)]
enum MediaAnswer {
    /// The picture. Its name is the hash of its content, so it never changes
    #[oai(status = 200)]
    Shown(
        StoredPicture,
        /// It may be kept for ever
        #[oai(header = "Cache-Control")]
        String,
        /// It is what its type says
        #[oai(header = "X-Content-Type-Options")]
        String,
        /// It is shown, not saved
        #[oai(header = "Content-Disposition")]
        String,
        /// It loads nothing and runs nothing
        #[oai(header = "Content-Security-Policy")]
        String,
    ),
}

#[OpenApi(tag = "Tag::Media")]
impl MediaApi {
    /// Show a stored picture
    #[oai(path = "/media/:name", method = "get", operation_id = "getMedia")]
    async fn get_media(
        &self,
        /// The name of the picture
        name: Path<MediaName>,
    ) -> Result<MediaAnswer, CatalogReadProblem> {
        let bytes = media::open(&self.0.media, &name.0).await?;
        Ok(MediaAnswer::Shown(
            StoredPicture { kind: name.0.kind(), bytes },
            "public, max-age=31536000, immutable".to_owned(),
            "nosniff".to_owned(),
            "inline".to_owned(),
            "default-src 'none'".to_owned(),
        ))
    }
}
