//! Spans of a session on this worker: what a word of the scheduler sets in motion, up to the first packet.
//!
//! ```text
//!  lease ─┬─▶ voice connect     until the channel is joined
//!         ├─▶ source open       until the first frame is there
//!         └─▶ first packet      until it is on the wire
//! ```
//!
//! All of them are over within seconds, so that little is lost with a worker that is killed. A word of no trace has
//! none. An item that is opened ahead (`next open`) is set in motion by no word: it is a trace of its own.

use orb_telemetry::{continue_trace, failed};
use orb_worker_core::{Action, Fence, Input, PipelineNews, Role, VoiceNews};
use tracing::Span;

/// What is under way. Each ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Spans {
    session: String,
    /// Of the newest word.
    lease: Span,
    /// With its run.
    open: Option<(u64, Span)>,
    /// The same of the item that is opened ahead.
    next: Option<(u64, Span)>,
    /// With the revision of its credentials.
    connect: Option<(u64, Span)>,
    first_packet: Option<Span>,
}

impl Spans {
    pub(crate) fn new(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            lease: Span::none(),
            open: None,
            next: None,
            connect: None,
            first_packet: None,
        }
    }

    /// A word that is about to be carried out.
    pub(crate) fn word(&mut self, fence: Fence, role: Role, traceparent: &str) {
        self.lease = Span::none();
        if traceparent.is_empty() {
            return;
        }
        let role = match role {
            Role::Holds => "holds",
            Role::HoldsUntil { .. } => "holds until",
            Role::WarmsUp => "warms up",
        };
        let span = tracing::info_span!(
            parent: None, "lease",
            session = self.session, token = fence.token, epoch = fence.epoch,
            generation = fence.generation, role,
        );
        continue_trace(&span, traceparent);
        self.lease = span;
    }

    /// The newest word is carried out.
    pub(crate) fn carried_out(&mut self) {
        self.lease = Span::none();
    }

    /// Something is about to be done.
    pub(crate) fn begins(&mut self, action: &Action) {
        match action {
            Action::Open {
                run,
                item,
                start_ms,
                paused,
                warm,
                picture,
            } => {
                let entry = item.entry_id;
                self.open = self
                    .child(|lease| tracing::info_span!(parent: lease, "source open", run, entry, start_ms, picture))
                    .map(|span| (*run, span));
                self.awaits_packet((!warm && !paused).then_some(*start_ms));
            }
            Action::Prepare { run, item, picture } => {
                let span = tracing::info_span!(
                    parent: None, "next open",
                    session = self.session, run, entry = item.entry_id, picture,
                );
                self.next = Some((*run, span));
            }
            Action::DropNext => self.next = None,
            Action::Feed { from_ms, paused } => self.awaits_packet((!paused).then_some(*from_ms)),
            Action::Connect(credentials) => {
                let revision = credentials.revision;
                self.connect = self
                    .child(|lease| tracing::info_span!(parent: lease, "voice connect", revision))
                    .map(|span| (revision, span));
            }
            Action::Disconnect => self.connect = None,
            Action::Close => {
                self.open = None;
                self.first_packet = None;
            }
            _ => {}
        }
    }

    /// Something came of it.
    pub(crate) fn heard(&mut self, input: &Input) {
        match input {
            Input::Pipeline { run, news } => {
                for open in [&mut self.open, &mut self.next] {
                    let is_it = |(of, _): &mut (u64, Span)| of == run;
                    match news {
                        PipelineNews::Ready => drop(open.take_if(is_it)),
                        PipelineNews::Failed(failure) => {
                            if let Some((_, span)) = open.take_if(is_it) {
                                failed(&span, &failure.code);
                            }
                        }
                        _ => {}
                    }
                }
            }
            Input::Voice(VoiceNews::Connected { revision }) => {
                self.connect.take_if(|(of, _)| of == revision);
            }
            Input::Voice(VoiceNews::Lost { revision, .. }) => {
                if let Some((_, span)) = self.connect.take_if(|(of, _)| of == revision) {
                    failed(&span, "voice_lost");
                }
            }
            Input::Voice(VoiceNews::Started | VoiceNews::Joined { .. }) => {
                self.first_packet = None;
            }
            _ => {}
        }
    }

    fn awaits_packet(&mut self, from_ms: Option<u64>) {
        self.first_packet = from_ms.and_then(|from_ms| {
            self.child(|lease| tracing::info_span!(parent: lease, "first packet", from_ms))
        });
    }

    fn child(&self, of: impl FnOnce(&Span) -> Span) -> Option<Span> {
        (!self.lease.is_none()).then(|| of(&self.lease))
    }
}
