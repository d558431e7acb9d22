//! Bodies that a refusal left unread.
//!
//! A call may be refused for its token, its path or a header before its body has arrived. hyper then closes the
//! connection behind the answer, and whoever sends its next call on it at that moment (as Python's `requests` does) gets
//! a lost connection instead of an answer. So the rest of a body is taken off the wire first, within bounds.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody as _},
    extract::Request,
    middleware::Next,
    response::Response,
};
use futures::{Stream, StreamExt as _, stream};
use tokio::time::timeout;

use crate::body::MAX_BODY;

/// Longest that an answer is kept back for it. A body comes right behind its head; one that does not is not worth it.
const WITHIN: Duration = Duration::from_millis(250);

/// Takes what the handler left of a body off the wire.
pub(crate) async fn discard(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let kept = Arc::new(Mutex::new(body.into_data_stream().fuse()));
    let lent = Body::from_stream(Lent(Arc::clone(&kept)));
    let response = next.run(Request::from_parts(parts, lent)).await;
    // Otherwise the answer still reads it.
    if let Some(rest) = Arc::into_inner(kept) {
        let rest = rest.into_inner().unwrap_or_else(PoisonError::into_inner);
        if timeout(WITHIN, read(rest)).await.is_err() {
            tracing::debug!("the body of a refused call did not arrive");
        }
    }
    response
}

type Chunks = stream::Fuse<BodyDataStream>;

async fn read(mut rest: Chunks) {
    let mut left = MAX_BODY;
    while let Some(Ok(chunk)) = rest.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

/// A body that is had back when its reader drops it.
struct Lent(Arc<Mutex<Chunks>>);

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.poll_next_unpin(context)
    }
}
