//! The library, `/api/v1/library`: what there is to watch, as Jellyfin has it.
//!
//! | file | what |
//! | --- | --- |
//! | `browse` | libraries, search, an item, what is in it, what comes next |
//! | `sources` | the versions of an item, with their sound tracks, subtitles and chapters |
//! | `image` | pictures, handed on |
//! | `catalogue` | the same library for queues: from an id to what plays |
//! | `item`, `queue_item` | an item as a caller sees it, and as a queue has it |
//! | `refusal` | what goes wrong in Jellyfin, as problems |
//!
//! All of it asks one [`JellyfinClient`], which caches and tries again. Nothing here bears Jellyfin's address or key:
//! a caller sees ids and paths of this gateway.

mod browse;
mod catalogue;
mod image;
mod item;
mod item_path;
mod page;
mod queue_item;
mod refusal;
mod sources;

use std::sync::Arc;

use orb_jellyfin::client::JellyfinClient;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Gateway, catalogue::not_configured, problem::Problem};

pub use catalogue::JellyfinCatalogue;
pub(crate) use refusal::AWAY;

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(browse::libraries))
        .routes(routes!(browse::search))
        .routes(routes!(browse::next_up))
        .routes(routes!(browse::continue_watching))
        .routes(routes!(browse::item))
        .routes(routes!(browse::children))
        .routes(routes!(sources::sources))
        .routes(routes!(image::image))
}

impl Gateway {
    fn library(&self) -> Result<&JellyfinClient, Problem> {
        self.library.as_ref().ok_or_else(not_configured)
    }

    /// Where an item's poster is, behind the same token.
    pub(crate) fn image_url(&self, item_id: &str) -> String {
        self.absolute(&format!("/api/v1/library/items/{item_id}/image"))
    }
}
