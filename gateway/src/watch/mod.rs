//! What a viewer with a signed link may do: see the picture, and know where the party is.
//!
//! ```text
//! /watch/{session}/{sig}                 the page                       (page.rs)
//! /watch/{session}/{sig}/index.m3u8      playlist, from the worker      (proxy.rs)
//! /watch/{session}/{sig}/{run}/{file}    segment, from the worker       (proxy.rs)
//! /watch/{session}/{sig}/state, events   public state, from the scheduler (state.rs)
//! ```
//!
//! `{sig}` is the viewer's own; it stays good through a take-over, for it names the session and not the worker.

mod link;
mod proxy;
mod state;
mod worker_media;

use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use link::{LinkTerms, ViewerId};
pub(crate) use worker_media::WorkerMedia;

use crate::app::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(proxy::playlist))
        .routes(routes!(proxy::segment))
        .routes(routes!(state::state))
        .routes(routes!(state::events))
}
