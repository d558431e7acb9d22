//! Tells a real Jellyfin, by its client.

use futures::future::BoxFuture;
use orb_jellyfin::client::{JellyfinClient, PlaybackEnd, PlaybackReport};

use super::{ItemProgress, ProgressKind, ProgressReporter};

/// Reports to the server of a client, as the user of its configuration.
#[derive(Debug)]
pub struct JellyfinReporter(JellyfinClient);

impl JellyfinReporter {
    /// With the times that the client allows a request.
    pub fn new(client: JellyfinClient) -> Self {
        Self(client)
    }
}

impl ProgressReporter for JellyfinReporter {
    fn report(
        &self,
        kind: ProgressKind,
        progress: ItemProgress,
    ) -> BoxFuture<'_, Result<(), String>> {
        let report = PlaybackReport {
            party: progress.session.to_string(),
            item_id: progress.item_id,
            source_id: Some(progress.source_id).filter(|id| !id.is_empty()),
            play_session_id: None,
            position_ms: progress.position_ms,
            runtime_ms: progress.duration_ms,
            paused: progress.paused,
        };
        Box::pin(async move {
            let told = match kind {
                ProgressKind::Started => self.0.report_start(&report).await,
                ProgressKind::GoesOn => self.0.report_progress(&report).await,
                ProgressKind::Stopped => self.0.report_stopped(&report, PlaybackEnd::Ended).await,
                ProgressKind::Failed => self.0.report_stopped(&report, PlaybackEnd::Failed).await,
            };
            told.map_err(|error| error.to_string())
        })
    }
}
