//! One voice connection: a songbird `Driver` and the threads on which all of its tasks run.
//!
//! What songbird does by itself, below any check of ours (0.6.1, `tasks/ws.rs`, `tasks/mod.rs`, `connection/mod.rs`):
//!
//! * Close codes 4009 and 4015, codes that it does not know or that are below 4000, and every I/O error: it RESUMEs
//!   with the same credentials. If that fails in any way it IDENTIFYs, twice with [`RETRY`].
//! * Any other code it knows (4006, 4014, 4017, 4021, 4022 …): it gives up at once and reports the code.
//! * While it RESUMEs, media goes on over UDP: nothing is heard of a cut of the WebSocket alone.
//!
//! * When the server ends TLS in good order but without a close frame, its task spins until the next heartbeat (13.75 s)
//!   and RESUMEs then (measured; `WsStream::recv_event_no_timeout` takes the end of the stream for "no message"). It
//!   never yields, so on a runtime of one thread the heartbeat would never come.
//!
//! Its tasks cannot be stopped singly: `Driver::drop` only queues a message, which an IDENTIFY under way does not read
//! for up to [`ATTEMPT_TIMEOUT`]. A worker that has lost its lease must not IDENTIFY any more, so each connection has a
//! small runtime of its own, and dropping the [`Link`] drops the runtime with every task and socket in it.

use std::{
    io,
    num::NonZeroU8,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use songbird::{
    Config, ConnectionInfo, CoreEvent, Driver, Event,
    driver::{
        CryptoMode, DisposalThread, Scheduler, SchedulerConfig,
        retry::{Retry, Strategy},
    },
};
use tokio::runtime::{self, Runtime};

use secrecy::ExposeSecret;

use super::{driver_events::DriverEvents, framing, reader::TalkReader, tap::Tap};
use crate::{Error, voice::VoiceCredentials};

/// For one attempt to connect, from the TCP connection to the session description. Discord needs well under a second;
/// a party shall go on within five.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// One for songbird's tasks, and one that keeps time and takes over while the other spins (see above).
const THREADS: usize = 2;

/// One retry is the least that songbird's type allows. The scheduler decides about all others.
const RETRY: (NonZeroU8, Duration) = (NonZeroU8::MIN, Duration::from_millis(100));

pub(super) struct Link {
    /// `None` only while it is dropped.
    parts: Option<(Driver, Runtime)>,
    tap: Arc<Tap>,
}

impl Link {
    /// Begins to connect, as the tap's link `id`; the result comes as an event.
    pub(super) fn open(info: ConnectionInfo, id: u64, tap: Arc<Tap>) -> Result<Self, Error> {
        let config = config().map_err(Error::VoiceThread)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("voice-link")
            .enable_all()
            .build()
            .map_err(Error::VoiceThread)?;
        let mut driver = {
            let _inside = runtime.enter();
            Driver::new(config)
        };
        for event in [
            CoreEvent::DriverConnect,
            CoreEvent::DriverReconnect,
            CoreEvent::DriverDisconnect,
        ] {
            driver.add_global_event(Event::Core(event), DriverEvents::new(Arc::clone(&tap), id));
        }
        // The future only repeats what the events say.
        drop(driver.connect(info));
        Ok(Self {
            parts: Some((driver, runtime)),
            tap,
        })
    }

    /// Puts a talk on the air.
    pub(super) fn start(&mut self, talk: u64) {
        if let Some((driver, _)) = &mut self.parts {
            // Instead of whatever was there: with two live tracks songbird would decode and mix.
            driver.play_only(framing::track(TalkReader::new(Arc::clone(&self.tap), talk)));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some((driver, runtime)) = self.parts.take() {
            drop(driver);
            // Does not wait, so it may be called from async code. The mixer notices that its event task is gone at
            // its next tick and goes, too; until then it can only send silence, since its talk is void.
            runtime.shutdown_background();
        }
    }
}

/// songbird's form of the same; refuses an id of zero.
pub(super) fn connection_info(credentials: VoiceCredentials) -> Result<ConnectionInfo, Error> {
    let ids = credentials.ids()?;
    Ok(ConnectionInfo {
        channel_id: ids.channel.into(),
        guild_id: ids.guild.into(),
        user_id: ids.user.into(),
        endpoint: credentials.endpoint,
        session_id: credentials.voice_session_id,
        token: credentials.token.expose_secret().to_owned(),
    })
}

fn config() -> io::Result<Config> {
    let Mixers {
        scheduler,
        disposer,
        ..
    } = &*mixers()?;
    Ok(Config::default()
        .crypto_mode(CryptoMode::Aes256Gcm)
        .driver_timeout(Some(ATTEMPT_TIMEOUT))
        .driver_retry(Retry {
            strategy: Strategy::Every(RETRY.1.into()),
            retry_limit: Some(RETRY.0),
        })
        // Nothing is mixed.
        .use_softclip(false)
        .scheduler(scheduler.clone())
        .disposer(disposer.clone()))
}

/// What all connections of the process share: the threads that tick, at most sixteen calls each.
struct Mixers {
    scheduler: Scheduler,
    disposer: DisposalThread,
    _runtime: Runtime,
}

/// songbird's own default scheduler would live on the runtime of the first connection, and die with it.
fn mixers() -> io::Result<Arc<Mixers>> {
    static MIXERS: Mutex<Option<Arc<Mixers>>> = Mutex::new(None);
    let mut mixers = MIXERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mixers) = &*mixers {
        return Ok(Arc::clone(mixers));
    }
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("voice-idle")
        .enable_time()
        .build()?;
    let scheduler = {
        let _inside = runtime.enter();
        let mut config = SchedulerConfig::default();
        // songbird moves an expensive call to another thread between building and sending a packet, and
        // takes only the packet's header along: another session's sound could go out with it.
        config.move_expensive_tasks = false;
        Scheduler::new(config)
    };
    let made = Arc::new(Mixers {
        scheduler,
        disposer: DisposalThread::run(),
        _runtime: runtime,
    });
    *mixers = Some(Arc::clone(&made));
    Ok(made)
}
