//! A session's changes, as a stream that outlives the scheduler's restarts.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt as _, stream};
use orb_proto::v1::{Session, WatchResponse};
use serde::Serialize;
use tokio::time::sleep;
use tonic::Code;

use crate::{
    app::Gateway, problem::Problem, scheduler_client::SchedulerClient, scheduler_client::Updates,
    serve::Closing, session_id::SessionId,
};

/// Pause before a broken watch is opened again. A page extrapolates meanwhile, so a second goes unnoticed.
const RESUME_DELAY: Duration = Duration::from_secs(1);

/// How often a comment is sent while nothing changes: keeps proxies from closing the stream, and finds out
/// that a client is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The session now, then at every change; ends when the session is gone. Fails at once when there is none.
pub(crate) async fn changes(
    gateway: &Arc<Gateway>,
    id: &SessionId,
) -> Result<impl Stream<Item = Session> + Send + use<>, Problem> {
    let scheduler = gateway.scheduler.clone();
    let updates = Some(scheduler.watch(id).await?);
    let feed = Feed {
        scheduler,
        id: id.clone(),
        updates,
    };
    Ok(stream::unfold(feed, async |mut feed| {
        Some((feed.next().await?, feed))
    }))
}

/// Server-sent events with `view` of each change as their data. Nothing runs apart from the response: when the
/// client leaves, hyper drops it, and the watch with it.
pub(crate) fn sse<T: Serialize>(
    changes: impl Stream<Item = Session> + Send + 'static,
    closing: Option<Extension<Closing>>,
    view: impl Fn(Session) -> T + Send + 'static,
) -> Response {
    let events = changes.map(move |session| Event::default().json_data(view(session)));
    let closed = async move {
        match closing {
            Some(Extension(Closing(token))) => token.cancelled_owned().await,
            None => std::future::pending().await,
        }
    };
    let events = Sse::new(events.take_until(Box::pin(closed)));
    // Asks nginx, the one proxy that gathers a stream by default, not to.
    let unbuffered = [("x-accel-buffering", "no")];
    (
        unbuffered,
        events.keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    )
        .into_response()
}

struct Feed {
    scheduler: SchedulerClient,
    id: SessionId,
    updates: Option<Updates>,
}

impl Feed {
    async fn next(&mut self) -> Option<Session> {
        loop {
            let interrupted = match &mut self.updates {
                Some(updates) => match updates.message().await {
                    Ok(Some(WatchResponse {
                        session: Some(session),
                    })) => return Some(session),
                    Ok(Some(WatchResponse { session: None })) => continue,
                    // The scheduler stops, or was lost.
                    Ok(None) => None,
                    Err(status) => Some(status.code()),
                },
                None => match self.scheduler.watch(&self.id).await {
                    Ok(updates) => {
                        self.updates = Some(updates);
                        continue;
                    }
                    Err(status) => Some(status.code()),
                },
            };
            if interrupted.is_some_and(is_final) {
                return None;
            }
            self.updates = None;
            sleep(RESUME_DELAY).await;
        }
    }
}

fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::InvalidArgument
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
    )
}
