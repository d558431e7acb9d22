//! A body that goes on where the source broke it off.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use reqwest::Response;
use tokio::time::timeout;

use super::range::ByteRange;
use super::route::{Route, Trouble};
use super::upstream::{Opened, Upstream, closed};
use crate::{Failure, timing};

/// A body on its way, and what is needed to resume it.
pub(super) struct Reader {
    upstream: Upstream,
    route: Arc<Route>,
    trouble: Trouble,
    response: Option<Response>,
    /// Bytes to drop: a source without ranges was asked again and began at zero.
    skip: u64,
    /// Offset in the file of the next byte for ffmpeg.
    position: u64,
    end: Option<u64>,
}

impl Reader {
    pub(super) fn new(
        upstream: Upstream,
        route: Arc<Route>,
        trouble: Trouble,
        opened: Opened,
    ) -> Self {
        Self {
            upstream,
            route,
            trouble,
            skip: 0,
            position: opened.offset,
            end: opened.end,
            response: Some(opened.response),
        }
    }

    /// The body for ffmpeg. It breaks off when the source is given up.
    pub(super) fn stream(self) -> Body {
        Body::from_stream(futures::stream::try_unfold(self, |mut reader| async move {
            let chunk = reader.next().await.map_err(|f| io::Error::other(f.code))?;
            Ok::<_, io::Error>(chunk.map(|chunk| (chunk, reader)))
        }))
    }

    /// The next bytes, or none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if self.end.is_some_and(|end| self.position >= end) {
                return Ok(None);
            }
            let Some(response) = &mut self.response else {
                self.resume().await?;
                continue;
            };
            // Only while ffmpeg wants bytes does this run, so a paused film is no stall.
            let chunk = tokio::select! {
                () = self.route.closed().cancelled() => return Err(closed()),
                chunk = timeout(timing::BYTE_STALL, response.chunk()) => chunk,
            };
            match chunk {
                Ok(Ok(Some(bytes))) => {
                    self.trouble.end();
                    if let Some(bytes) = self.take(bytes) {
                        return Ok(Some(bytes));
                    }
                }
                // Without a stated length this is the end.
                Ok(Ok(None)) if self.end.is_none() => return Ok(None),
                // Cut short, broken or stalled.
                Ok(Ok(None) | Err(_)) | Err(_) => {
                    self.trouble.begin(Instant::now());
                    self.response = None;
                }
            }
        }
    }

    /// Cuts off what ffmpeg has already and what it did not ask for.
    fn take(&mut self, mut bytes: Bytes) -> Option<Bytes> {
        let dropped = self.skip.min(bytes.len() as u64);
        self.skip -= dropped;
        let mut bytes = bytes.split_off(dropped as usize);
        if let Some(end) = self.end {
            bytes.truncate(usize::try_from(end - self.position).unwrap_or(usize::MAX));
        }
        self.position += bytes.len() as u64;
        (!bytes.is_empty()).then_some(bytes)
    }

    async fn resume(&mut self) -> Result<(), Failure> {
        let wanted = ByteRange {
            first: self.position,
            last: self.end.map(|end| end - 1),
        };
        let opened = self
            .upstream
            .persist(&self.route, wanted, &mut self.trouble)
            .await?;
        self.skip = self.position - opened.offset;
        if opened.response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // A body of unknown length broke off exactly at its end.
            self.end = Some(self.position);
        }
        self.response = Some(opened.response);
        Ok(())
    }
}
