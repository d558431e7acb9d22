//! The line over the project's own driver, `orb-voice`.
//!
//! The driver asks the deck for a frame when it can send one, and tells it in the same tick that the frame went out; so
//! a pause, a seek or a resume is at most one tick away, and nothing has to be waited for after a connect. While there
//! is nothing to play it does not ask at all, until [`Line::wake`].
//!
//! A line has one call, to the voice channel, and with a stream another one, which bears sound and picture; the first one
//! sends nothing then.

mod links;

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use orb_voice::{
    Call, Driver, Encryption, FrameSource, Gate, NextFrame, PictureSource, StreamServer,
    VoiceServer,
};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use self::links::{Anew, Links, Part};
use super::{
    VoiceCredentials, VoiceEvent,
    clock::Next,
    deck::Deck,
    line::{Line, LineStatus},
};
use crate::Error;

/// Events of the driver that may wait: far more than one connection causes between two reads.
const EVENTS: usize = 64;

/// Media goes on through a cut unless the server cannot be reached; the driver does not say which. No frame for so long
/// says it.
const STOOD: Duration = Duration::from_millis(250);

pub(super) struct OrbLine {
    driver: Driver,
    /// The pacing thread asks the deck under a lock of the call's, so never take this under the clock's lock.
    calls: Mutex<Calls>,
    links: Arc<Mutex<Links>>,
    deck: Arc<Deck>,
    /// What the call to the channel sends.
    in_channel: Arc<InChannel>,
}

struct Calls {
    channel: Call,
    /// Made with the first stream.
    stream: Option<Call>,
    /// What the present connections were made with.
    credentials: Option<VoiceCredentials>,
    readers: Vec<AbortOnDropHandle<()>>,
}

impl OrbLine {
    pub(super) fn new(driver: &Driver, deck: Arc<Deck>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let in_channel = Arc::new(InChannel {
            deck: Arc::clone(&deck),
            speaks: AtomicBool::new(true),
        });
        let channel = driver.call(Arc::clone(&in_channel) as Arc<dyn FrameSource>, sender);
        let links = Arc::new(Mutex::new(Links::without_connection(events)));
        let reader = spawn_reader(Part::Channel, &links, &deck);
        Self {
            driver: driver.clone(),
            calls: Mutex::new(Calls {
                channel,
                stream: None,
                credentials: None,
                readers: vec![reader],
            }),
            links,
            deck,
            in_channel,
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.calls)
    }

    /// Which connections cannot be kept. Without a stream, before and now, nothing is.
    fn anew(&self, before: Option<&VoiceCredentials>, now: &VoiceCredentials) -> Anew {
        let before = before.filter(|before| before.stream.is_some() || now.stream.is_some());
        let links = lock(&self.links);
        let kept = |part, is_same: fn(&VoiceCredentials, &VoiceCredentials) -> bool| {
            links.is_alive(part) && before.is_some_and(|before| is_same(before, now))
        };
        Anew {
            channel: !kept(Part::Channel, VoiceCredentials::is_of_the_same_channel),
            stream: !kept(Part::Stream, VoiceCredentials::is_of_the_same_stream),
        }
    }

    fn stream_call<'a>(&self, calls: &'a mut Calls) -> &'a mut Call {
        calls.stream.get_or_insert_with(|| {
            let (sender, events) = mpsc::channel(EVENTS);
            lock(&self.links).add_stream(events);
            let reader = spawn_reader(Part::Stream, &self.links, &self.deck);
            calls.readers.push(reader);
            let sound = Arc::clone(&self.deck) as Arc<dyn FrameSource>;
            let pictures = Arc::clone(&self.deck) as Arc<dyn PictureSource>;
            self.driver.stream_call(sound, pictures, sender)
        })
    }

    fn end(&self, calls: &mut Calls) {
        calls.channel.disconnect();
        if let Some(stream) = &mut calls.stream {
            stream.disconnect();
        }
        calls.credentials = None;
        lock(&self.links).end();
        self.deck.clock().lose_taken();
    }
}

impl Line for OrbLine {
    fn connect(&self, credentials: VoiceCredentials, gate: Arc<dyn Gate>) {
        let calls = &mut *self.calls();
        let revision = credentials.revision;
        let (channel, stream) = match servers(&credentials) {
            Ok(servers) => servers,
            Err(error) => {
                self.end(calls);
                return self.deck.outbox.push(VoiceEvent::Lost {
                    revision,
                    close_code: None,
                    reason: error.to_string(),
                    stream: false,
                });
            }
        };
        let anew = self.anew(calls.credentials.as_ref(), &credentials);
        // The old ones first: when this has returned, they add no event.
        if anew.channel {
            calls.channel.disconnect();
        }
        if let Some(stream) = calls.stream.as_mut().filter(|_| anew.stream) {
            stream.disconnect();
        }
        let speaks = stream.is_none();
        let moved = self.in_channel.speaks.swap(speaks, Ordering::Relaxed) != speaks;
        if moved || if speaks { anew.channel } else { anew.stream } {
            self.deck.clock().lose_taken();
        }
        let with_stream = stream.is_some();
        if with_stream {
            self.stream_call(calls);
        }
        let is_up = {
            let mut links = lock(&self.links);
            links.begin(credentials.guild_id, revision, with_stream, anew);
            links.are_up()
        };
        calls.credentials = Some(credentials);
        if anew.channel {
            calls.channel.connect(channel, Arc::clone(&gate));
        } else {
            // It may have to speak again.
            calls.channel.wake();
        }
        if let (Some(server), true) = (stream, anew.stream) {
            self.stream_call(calls).connect(server, gate);
        }
        if is_up {
            // Nobody else says so.
            self.deck.outbox.push(VoiceEvent::Connected { revision });
        }
    }

    fn disconnect(&self) {
        self.end(&mut self.calls());
    }

    fn wake(&self) {
        let calls = self.calls();
        calls.channel.wake();
        if let Some(stream) = &calls.stream {
            stream.wake();
        }
    }

    fn status(&self) -> LineStatus {
        let key_frame_requests = {
            let calls = self.calls();
            let stream = calls.stream.as_ref();
            stream.map_or(0, |stream| stream.media_counts().key_frame_requests)
        };
        let links = lock(&self.links);
        let bearer = links.bearer();
        let has_key = bearer.encryption != Some(Encryption::Waiting);
        let goes_on = || {
            let last = self.deck.clock().read().position;
            last.is_some_and(|last| last.sent_at + STOOD > Instant::now())
        };
        LineStatus {
            connected: links.are_up(),
            sends: bearer.is_connected() && has_key && (!bearer.reconnects() || goes_on()),
            encryption: bearer.encryption.filter(|_| bearer.is_connected()),
            stream: links.has_stream(),
            key_frame_requests,
        }
    }
}

fn spawn_reader(part: Part, links: &Arc<Mutex<Links>>, deck: &Arc<Deck>) -> AbortOnDropHandle<()> {
    let (links, deck) = (Arc::clone(links), Arc::clone(deck));
    AbortOnDropHandle::new(tokio::spawn(async move {
        poll_fn(|context| lock(&links).read(part, context, &deck)).await;
    }))
}

/// The driver's form of the same: the channel's, and the stream's. Refuses an id of zero.
fn servers(credentials: &VoiceCredentials) -> Result<(VoiceServer, Option<VoiceServer>), Error> {
    let ids = credentials.ids()?;
    let channel = VoiceServer {
        endpoint: credentials.endpoint.clone(),
        guild_id: ids.guild.get(),
        channel_id: ids.channel.get(),
        user_id: ids.user.get(),
        session_id: credentials.voice_session_id.clone().into(),
        token: credentials.token.clone(),
        stream: None,
    };
    let stream = credentials.stream.as_ref().map(|stream| {
        let rtc_server_id = stream.id()?.get();
        Ok::<_, Error>(VoiceServer {
            endpoint: stream.endpoint.clone(),
            token: stream.token.clone(),
            stream: Some(StreamServer { rtc_server_id }),
            ..channel.clone()
        })
    });
    Ok((channel, stream.transpose()?))
}

/// The deck's sound for the channel itself: with a stream, none of it.
struct InChannel {
    deck: Arc<Deck>,
    speaks: AtomicBool,
}

impl FrameSource for InChannel {
    fn next(&self) -> NextFrame {
        // Nothing else hangs on it: at worst a tick is asked for by the connection that was to fall silent, and bears the
        // frame.
        if self.speaks.load(Ordering::Relaxed) {
            FrameSource::next(&*self.deck)
        } else {
            NextFrame::Idle
        }
    }

    fn sent(&self, at: Instant, late: Duration) {
        Deck::sent(&self.deck, at, late);
    }
}

impl FrameSource for Deck {
    fn next(&self) -> NextFrame {
        match Deck::next(self) {
            Next::Frame(packet) => NextFrame::Opus(packet),
            Next::Missing => NextFrame::Missing,
            Next::NotYet | Next::Nothing => NextFrame::Idle,
        }
    }

    fn sent(&self, at: Instant, late: Duration) {
        Deck::sent(self, at, late);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is whole after every statement, and the session goes on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
