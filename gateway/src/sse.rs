//! Server-sent events as an answer.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt as _};
use serde::Serialize;

use crate::serve::Closing;

/// How often a comment is sent while nothing changes: keeps proxies from closing the stream, and finds out
/// that a client is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// An event with `data` as JSON.
pub(crate) fn event(data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("views have string keys only, and no map fails");
    Event::default().data(data)
}

/// The answer. Nothing runs apart from it: when the client leaves, hyper drops it, and `events` with it. Ends when the
/// gateway stops.
pub(crate) fn answer(
    events: impl Stream<Item = Event> + Send + 'static,
    closing: Option<Extension<Closing>>,
) -> Response {
    let closed = async move {
        match closing {
            Some(Extension(Closing(token))) => token.cancelled_owned().await,
            None => std::future::pending().await,
        }
    };
    let events = events.map(Ok::<_, Infallible>);
    let events = Sse::new(events.take_until(Box::pin(closed)));
    // Asks nginx, the one proxy that gathers a stream by default, not to.
    let unbuffered = [("x-accel-buffering", "no")];
    (
        unbuffered,
        events.keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    )
        .into_response()
}
