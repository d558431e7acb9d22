//! The task of one shard of an account: the connection on one side, the scheduler on the other, the pure core between.

mod introduced;

use std::{
    collections::BTreeMap,
    future,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use twilight_gateway::CloseFrame;

use crate::{
    AccountEvent, AccountId, AccountKind, Error, ShardId, Shutdown,
    audience::Audience,
    connection::{Connection, Signal},
    send_limit::SendLimit,
    voice_states::{Output, VoiceStates},
    wire::{Dispatch, Seated},
};

pub(crate) use introduced::Introduced;

/// Events that tell nothing advance the stored sequence at most this often: they only shorten what
/// a successor is replayed.
const QUIET_PROGRESS: Duration = Duration::from_secs(1);

/// Beyond so many events without room to tell them, commands have to wait.
const UNTOLD: usize = 1_024;

/// Commands that may wait for one shard; each is taken in within microseconds.
const COMMANDS: usize = 256;

/// What the handle asks.
pub(crate) enum Command {
    Join {
        guild: u64,
        channel: u64,
        live: bool,
    },
    Leave {
        guild: u64,
    },
    Refresh {
        guild: u64,
    },
    RefreshLive {
        guild: u64,
    },
    PauseLive {
        guild: u64,
        paused: bool,
    },
    Shutdown(Shutdown),
}

/// What a task wakes up for.
enum Wake {
    Signal(Signal),
    Time,
}

/// The task is over: a fatal close was told, or nobody reads the events any more.
struct Ended;

/// One shard of an account: a connection, and the voice states of its guilds.
pub(crate) struct AccountShard {
    id: AccountId,
    kind: AccountKind,
    shard: ShardId,
    connection: Connection,
    /// Whether the last that was told of the connection is that it is usable.
    told_ready: bool,
    voice: VoiceStates,
    audience: Audience,
    /// Listeners that were told, by guild.
    told_listeners: BTreeMap<u64, (u64, usize)>,
    limit: SendLimit,
    last_progress: Instant,
    /// How long a leave for good may take: two commands that Discord does not answer.
    leave_wait: Duration,
    /// How it was told to end.
    shutdown: Option<Shutdown>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<AccountEvent>,
}

impl AccountShard {
    /// Runs until shutdown, a fatal close, or `cancel`, which drops the connection where it stands.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let span = tracing::info_span!("account", id = %self.id, shard = %self.shard);
        // Boxed for its size: it holds the connection.
        let served = Box::pin(self.serve().instrument(span));
        let _ = cancel.run_until_cancelled(served).await;
    }

    async fn serve(mut self) {
        let how = loop {
            if self.flush().await.is_err() {
                return;
            }
            if let Some(how) = self.shutdown {
                break how;
            }
            let wake = tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => {
                        self.take_in(&command);
                        continue;
                    }
                    None => return,
                },
                wake = wake(&mut self.connection, &self.voice, &mut self.limit) => wake,
            };
            if self.handle(wake).await.is_err() {
                return;
            }
        };
        // Further calls are refused from here on.
        self.commands.close();
        self.end(how).await;
    }

    fn take_in(&mut self, command: &Command) {
        let now = Instant::now();
        match *command {
            Command::Join {
                guild,
                channel,
                live,
            } => self.voice.join(guild, channel, live, now),
            Command::Leave { guild } => self.voice.leave(guild, now),
            Command::Refresh { guild } => self.voice.refresh(guild, now),
            Command::RefreshLive { guild } => self.voice.refresh_live(guild, now),
            Command::PauseLive { guild, paused } => {
                self.voice.set_live_paused(guild, paused, now);
            }
            Command::Shutdown(how) => self.shutdown = Some(how),
        }
    }

    /// Bounded by [`Accounts::shutdown`](crate::Accounts::shutdown), which drops it when time is up.
    async fn end(mut self, how: Shutdown) {
        match how {
            Shutdown::HandOver => {
                if self.tell_progress().await.is_ok() {
                    self.connection.close(CloseFrame::RESUME).await;
                }
            }
            Shutdown::Leave => {
                self.voice.leave_all(Instant::now());
                if tokio::time::timeout(self.leave_wait, self.until_left())
                    .await
                    .is_err()
                {
                    tracing::warn!("not all channels were left in time");
                }
                self.connection.close(CloseFrame::NORMAL).await;
            }
            Shutdown::Abandon => {}
        }
    }

    async fn until_left(&mut self) -> Result<(), Ended> {
        self.flush().await?;
        while !self.voice.is_empty() {
            let wake = wake(&mut self.connection, &self.voice, &mut self.limit).await;
            self.handle(wake).await?;
            self.flush().await?;
        }
        Ok(())
    }

    async fn handle(&mut self, wake: Wake) -> Result<(), Ended> {
        match wake {
            Wake::Time => {
                if self.connection.is_live() {
                    self.voice.on_time(Instant::now());
                }
                Ok(())
            }
            Wake::Signal(Signal::Dispatch(dispatch)) => self.on_dispatch(dispatch).await,
            Wake::Signal(Signal::Other) => self.tell_loss().await,
            Wake::Signal(Signal::NotPermitted) => {
                tracing::warn!(
                    "account belongs to another process by now; its connection is dropped"
                );
                Err(Ended)
            }
            Wake::Signal(Signal::Fatal(error)) => {
                tracing::error!(%error, "account is closed for good");
                self.tell_disconnected(Some(error)).await?;
                Err(Ended)
            }
        }
    }

    async fn on_dispatch(&mut self, dispatch: Dispatch) -> Result<(), Ended> {
        let now = Instant::now();
        let mut changed_guild = None;
        let mut tells = false;
        match dispatch {
            Dispatch::Ready { guilds } => {
                self.audience.forget();
                self.told_listeners.clear();
                for (guild, states) in guilds {
                    self.list_audience(guild, states);
                }
                self.voice.on_new_session(now);
                self.tell_ready(false).await?;
                tells = true;
            }
            Dispatch::Resumed => {
                self.voice.on_resumed(now);
                self.tell_ready(true).await?;
                tells = true;
            }
            Dispatch::VoiceState {
                guild,
                user,
                channel,
                session,
                bot,
            } => {
                if user == self.id.0 {
                    self.voice.on_state(guild, channel, &session, now);
                } else {
                    self.audience.change(guild, user, channel, bot);
                }
                changed_guild = Some(guild);
            }
            Dispatch::VoiceServer { guild, server } => self.voice.on_server(guild, server, now),
            Dispatch::Guild { guild, states } => {
                self.list_audience(guild, states);
                changed_guild = Some(guild);
            }
            Dispatch::GuildGone { guild } => {
                self.audience.forget_guild(guild);
                self.voice.on_removed_from_guild(guild, now);
                changed_guild = Some(guild);
            }
            Dispatch::StreamCreated { key, rtc_server_id } => {
                self.voice.on_stream_created(key, rtc_server_id, now);
            }
            Dispatch::StreamServer { key, server } => {
                self.voice.on_stream_server(key, server, now);
            }
            Dispatch::StreamUpdated { key, paused } => {
                self.voice.on_stream_updated(key, paused, now);
            }
            Dispatch::StreamDeleted { key, end } => {
                tracing::info!(guild = key.guild, ?end, "a stream was ended");
                self.voice.on_stream_deleted(key, end, now);
            }
        }
        tells |= self.tell_outputs().await?;
        if let Some(guild) = changed_guild {
            tells |= self.tell_audience(guild).await?;
        }
        if tells || self.last_progress.elapsed() >= QUIET_PROGRESS {
            self.tell_progress().await?;
        }
        Ok(())
    }

    /// Our own state in the list may be of an earlier session: the answer to our op 4 counts.
    fn list_audience(&mut self, guild: u64, states: Seated) {
        let others = states.into_iter().filter(|(user, ..)| *user != self.id.0);
        self.audience.list(guild, others);
    }

    /// Sends what may be sent, and tells what came of commands and of time.
    async fn flush(&mut self) -> Result<(), Ended> {
        self.tell_loss().await?;
        while self.connection.is_live() && self.voice.has_command() {
            let now = Instant::now();
            if self.limit.wait_until(now).is_some() {
                break;
            }
            let Some(command) = self.voice.take_command(now) else {
                break;
            };
            self.limit.sent(now);
            self.connection.send(command);
        }
        self.tell_outputs().await?;
        Ok(())
    }

    async fn tell_loss(&mut self) -> Result<(), Ended> {
        if !self.told_ready || self.connection.is_live() {
            return Ok(());
        }
        self.told_ready = false;
        self.tell_disconnected(None).await
    }

    async fn tell_disconnected(&mut self, fatal: Option<Error>) -> Result<(), Ended> {
        let disconnected = AccountEvent::Disconnected {
            account: self.id,
            shard: self.shard,
            fatal,
        };
        self.tell(disconnected).await
    }

    async fn tell_ready(&mut self, resumed: bool) -> Result<(), Ended> {
        self.told_ready = true;
        let ready = AccountEvent::Ready {
            account: self.id,
            user_id: self.id.0,
            kind: self.kind,
            shard: self.shard,
            resumed,
        };
        self.tell(ready).await
    }

    /// Whether there was anything to tell.
    async fn tell_outputs(&mut self) -> Result<bool, Ended> {
        let account = self.id;
        let mut told = false;
        while let Some(output) = self.voice.take_output() {
            let seated = match &output {
                Output::Credentials(credentials) => Some(credentials.guild_id),
                _ => None,
            };
            let event = match output {
                Output::Credentials(credentials) => AccountEvent::Credentials {
                    account,
                    credentials,
                },
                Output::Left { guild, asked } => AccountEvent::Left {
                    account,
                    guild_id: guild,
                    asked,
                },
                Output::Moved { guild, channel } => AccountEvent::Moved {
                    account,
                    guild_id: guild,
                    channel_id: channel,
                },
                Output::JoinFailed { guild, reason } => AccountEvent::JoinFailed {
                    account,
                    guild_id: guild,
                    reason,
                },
                Output::LiveRefused { guild, reason } => AccountEvent::LiveRefused {
                    account,
                    guild_id: guild,
                    reason,
                },
            };
            self.tell(event).await?;
            told = true;
            if let Some(guild) = seated {
                self.told_listeners.remove(&guild);
                self.tell_audience(guild).await?;
            }
        }
        Ok(told)
    }

    /// Whether there was anything to tell.
    async fn tell_audience(&mut self, guild: u64) -> Result<bool, Ended> {
        let channel = self.voice.channel(guild);
        let listeners =
            channel.and_then(|channel| Some((channel, self.audience.listeners(guild, channel)?)));
        let Some((channel_id, listeners)) = listeners else {
            self.told_listeners.remove(&guild);
            return Ok(false);
        };
        let told = self.told_listeners.insert(guild, (channel_id, listeners));
        if told == Some((channel_id, listeners)) {
            return Ok(false);
        }
        let audience = AccountEvent::Audience {
            account: self.id,
            guild_id: guild,
            channel_id,
            listeners,
        };
        self.tell(audience).await?;
        Ok(true)
    }

    /// Nothing while an event is only half told: see [`VoiceStates::holds_untold`].
    async fn tell_progress(&mut self) -> Result<(), Ended> {
        if self.voice.holds_untold() {
            return Ok(());
        }
        let Some(session) = self.connection.session() else {
            return Ok(());
        };
        self.last_progress = Instant::now();
        let progress = AccountEvent::Progress {
            account: self.id,
            shard: self.shard,
            session,
        };
        self.tell(progress).await
    }

    /// Waits for room, and takes commands in meanwhile: a scheduler that waits for its command to be
    /// taken before it reads the next event must not wait for ever.
    async fn tell(&mut self, event: AccountEvent) -> Result<(), Ended> {
        loop {
            let command = tokio::select! {
                biased;
                room = self.events.reserve() => {
                    room.map_err(|_| Ended)?.send(event);
                    return Ok(());
                }
                Some(command) = self.commands.recv(), if self.voice.outputs() < UNTOLD => command,
            };
            self.take_in(&command);
        }
    }
}

/// Waits for Discord or for a deadline. Cancel-safe.
async fn wake(connection: &mut Connection, voice: &VoiceStates, limit: &mut SendLimit) -> Wake {
    let now = Instant::now();
    // Without a connection nothing is sent, and what Discord does not answer is no surprise.
    let at = connection.is_live().then(|| {
        let sending = voice.has_command().then(|| limit.wait_until(now));
        let answering = voice.next_deadline();
        sending.flatten().into_iter().chain(answering).min()
    });
    let timer = async {
        match at.flatten() {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => future::pending().await,
        }
    };
    tokio::select! {
        signal = connection.next() => Wake::Signal(signal),
        () = timer => Wake::Time,
    }
}
