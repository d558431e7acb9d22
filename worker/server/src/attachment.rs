//! One stream to the scheduler, from Register to its end.

use std::time::Duration;

use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::actor::Shared;
use crate::changed::News;
use crate::convert;
use crate::drain::Drain;
use crate::sessions::Sessions;

/// Reports that may wait; a scheduler that does not read them is as good as gone.
const REPORTS: usize = 16;

/// A stream that does not come up within this time is tried anew.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// What the scheduler said about the protocol's times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) heartbeat_playing: Duration,
    pub(crate) heartbeat_idle: Duration,
    pub(crate) self_stop_after: Duration,
    pub(crate) dial_permit: Duration,
}

/// A stream that is open.
pub(crate) struct Attachment {
    reports: mpsc::Sender<v1::AttachRequest>,
    words: Streaming<v1::AttachResponse>,
    pub(crate) times: Times,
    registered_as_draining: bool,
}

impl Attachment {
    /// Registers with what this worker holds; comes back with the scheduler's first word.
    pub(crate) async fn open(
        channel: Channel,
        bearer: MetadataValue<Ascii>,
        register: v1::Register,
    ) -> Result<Self, Status> {
        let opening = async {
            let (reports, stream) = mpsc::channel(REPORTS);
            let registered_as_draining = register.draining;
            // Before the call: the scheduler answers no stream whose first message has not come.
            let first = Report::Register(register);
            let _ = reports.try_send(v1::AttachRequest {
                message: Some(first),
            });
            let mut request = Request::new(ReceiverStream::new(stream));
            request.metadata_mut().insert("authorization", bearer);
            let mut words = WorkerServiceClient::new(channel)
                .attach(request)
                .await?
                .into_inner();
            let first = words
                .next()
                .await
                .transpose()?
                .and_then(|word| word.message);
            let Some(v1::attach_response::Message::Registered(registered)) = first else {
                return Err(Status::unavailable("the stream ended before it began"));
            };
            let times = Times {
                heartbeat_playing: milliseconds(registered.heartbeat_playing_ms),
                heartbeat_idle: milliseconds(registered.heartbeat_idle_ms),
                self_stop_after: milliseconds(registered.self_stop_after_ms),
                dial_permit: milliseconds(registered.dial_permit_ms),
            };
            Ok(Self {
                reports,
                words,
                times,
                registered_as_draining,
            })
        };
        tokio::time::timeout(OPEN_WITHIN, opening)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer to the registration")))
    }

    /// Beats, reports changes at once, and takes words, until the stream ends.
    pub(crate) async fn run(
        mut self,
        sessions: &Sessions,
        shared: &Shared,
        drain: &Drain,
    ) -> Status {
        use v1::attach_response::Message;
        let mut beat = tokio::time::Instant::now();
        let gates = shared.gates.attached(self.times.dial_permit);
        let mut knows_of_drain = self.registered_as_draining;
        loop {
            tokio::select! {
                () = drain.asked.cancelled(), if !knows_of_drain => {
                    knows_of_drain = true;
                    if !self.send(Report::Drain(v1::Drain {})) {
                        return Status::unavailable("the scheduler does not read");
                    }
                }
                word = self.words.next() => match word {
                    Some(Ok(word)) => match word.message {
                        Some(Message::Lease(lease)) => sessions.lease(lease),
                        Some(Message::Revoke(revoke)) => sessions.revoke(&revoke),
                        Some(Message::LeasesConfirmed(confirmed)) => gates.answer(confirmed),
                        Some(Message::StartDrain(_)) => drain.asked.cancel(),
                        // Only what it was asked for is its answer.
                        Some(Message::Drained(_)) if knows_of_drain => drain.done.cancel(),
                        Some(Message::Drained(_) | Message::Registered(_)) | None => {}
                    },
                    Some(Err(status)) => return status,
                    None => return Status::unavailable("the scheduler ended the stream"),
                },
                question = gates.question() => {
                    if !self.send(Report::ConfirmLeases(question)) {
                        return Status::unavailable("the scheduler does not read");
                    }
                }
                News { changed, declined } = shared.changed.take() => {
                    sessions.give_back_what_does_not_fit();
                    let given_back = declined.into_iter().all(|declined| {
                        sessions.forget(&declined.session, declined.token);
                        self.send(Report::LeaseDeclined(convert::lease_declined(declined)))
                    });
                    if !given_back || !self.beat(sessions, Some(&changed)) {
                        return Status::unavailable("the scheduler does not read");
                    }
                }
                () = tokio::time::sleep_until(beat) => {
                    if !self.beat(sessions, None) {
                        return Status::unavailable("the scheduler does not read");
                    }
                    let interval = if sessions.any_playing() {
                        self.times.heartbeat_playing
                    } else {
                        self.times.heartbeat_idle
                    };
                    beat = tokio::time::Instant::now() + interval;
                }
            }
        }
    }

    fn beat(&self, sessions: &Sessions, only: Option<&std::collections::BTreeSet<String>>) -> bool {
        let beat = v1::Heartbeat {
            capacity: Some(sessions.capacity()),
            sessions: sessions.reports(only),
        };
        self.send(Report::Heartbeat(beat))
    }

    fn send(&self, report: Report) -> bool {
        let message = Some(report);
        self.reports.try_send(v1::AttachRequest { message }).is_ok()
    }
}

fn milliseconds(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}
