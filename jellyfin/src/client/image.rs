//! Posters and other pictures, for a gateway that hands them on.

use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::limits::IMAGE_BYTES;
use super::transport::{Ask, Transport, check_id};
use crate::Error;

/// What is handed on: no browser runs any of it, except SVG, which needs a
/// `Content-Security-Policy` of `sandbox` from whoever serves it.
const CONTENT_TYPES: [&str; 6] = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/avif",
    "image/svg+xml",
];

/// Jellyfin's default for scaled pictures. Written out, so that it stays what it is.
const QUALITY: &str = "90";

/// Which of an item's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageKind {
    /// The poster.
    #[default]
    Primary,
    /// The first backdrop.
    Backdrop,
    /// In landscape format.
    Thumb,
    /// The title as a picture.
    Logo,
}

impl ImageKind {
    fn jellyfin_name(self) -> &'static str {
        match self {
            Self::Primary => "Primary",
            Self::Backdrop => "Backdrop",
            Self::Thumb => "Thumb",
            Self::Logo => "Logo",
        }
    }
}

/// A picture in a size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRequest {
    /// Which one.
    pub kind: ImageKind,
    /// Its tag (see [`ImageTags`](super::ImageTags)): with it there is an `ETag`, and a changed
    /// picture is not mistaken for the one that is kept.
    pub tag: Option<String>,
    /// At most so many pixels across; `None` for the original.
    pub max_width: Option<u32>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub bytes: Bytes,
    /// Its type: JPEG, PNG, WebP, GIF, AVIF or SVG.
    pub content_type: String,
    /// As Jellyfin sends it; only for a request with a tag.
    pub etag: Option<String>,
}

/// Where the picture is; Jellyfin asks for no key there.
pub(super) fn url(
    transport: &Transport,
    item_id: &str,
    request: &ImageRequest,
) -> Result<Url, Error> {
    let kind = request.kind.jellyfin_name();
    let mut url = transport.url(&["Items", check_id(item_id)?, "Images", kind])?;
    {
        let mut query = url.query_pairs_mut();
        if let Some(tag) = &request.tag {
            query.append_pair("tag", tag);
        }
        if let Some(width) = request.max_width {
            query.append_pair("maxWidth", &width.to_string());
            query.append_pair("quality", QUALITY);
        }
    }
    if url.query() == Some("") {
        url.set_query(None);
    }
    Ok(url)
}

/// The picture and the bytes that it takes.
pub(super) async fn fetch(
    transport: Arc<Transport>,
    url: Url,
    item_id: String,
) -> Result<(Arc<Image>, usize), Error> {
    let answer = transport
        .ask(&Ask::get(url, Some(&item_id), IMAGE_BYTES))
        .await?;
    let content_type = answer
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if !CONTENT_TYPES.contains(&content_type.as_str()) {
        return Err(transport.not_jellyfin("it sends something else than a picture for one"));
    }
    let bytes = answer.body.len();
    let image = Image {
        bytes: answer.body,
        content_type,
        etag: answer.etag,
    };
    Ok((Arc::new(image), bytes))
}
