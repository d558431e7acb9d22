//! The party API, `/api/v1`: parties with a queue and a history, for everyone but the bot.
//!
//! | file | calls |
//! | --- | --- |
//! | `parties` | create, list, get, end |
//! | `playback` | play, pause, resume, seek, skip, previous, stop |
//! | `queue`, `queue_edits` | the queue, and each edit of it |
//! | `events` | what happened, as a page or as it happens |
//! | `watch_links` | a viewer's link |
//! | `workers` | the pool |
//! | `capabilities` | by what ways a party can be sent |
//!
//! A party is a session of the contract: each call is one gRPC call here too. What stands in a queue was looked up in
//! the [`Catalogue`](crate::Catalogue) on behalf of the caller, so a retry is told by what the caller asked
//! (`fingerprint`) and not by what was found.

mod caller;
mod capabilities;
mod demo_item;
mod event_row;
mod events;
mod fingerprint;
mod if_match;
mod pace;
mod parties;
mod party;
mod playback;
mod queue;
mod queue_edits;
mod queue_view;
mod watch_links;
mod workers;

use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(parties::list, parties::create))
        .routes(routes!(parties::get, parties::end))
        .routes(routes!(playback::play))
        .routes(routes!(playback::pause))
        .routes(routes!(playback::resume))
        .routes(routes!(playback::seek))
        .routes(routes!(playback::skip))
        .routes(routes!(playback::previous))
        .routes(routes!(playback::stop))
        .routes(routes!(queue::get, queue::add, queue_edits::clear))
        .routes(routes!(queue_edits::remove))
        .routes(routes!(queue_edits::reorder))
        .routes(routes!(queue_edits::move_entry))
        .routes(routes!(events::events))
        .routes(routes!(watch_links::make_watch_link))
        .routes(routes!(capabilities::get))
        .routes(routes!(workers::list))
        .routes(routes!(workers::drain))
        .routes(routes!(demo_item::demo_item))
}
