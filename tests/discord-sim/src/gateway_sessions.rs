//! Main gateway sessions: numbered events, kept for replay, outliving their socket for a while.
//!
//! Nothing here does I/O: a socket is the sending half of a bounded queue.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::accounts::Account;
use crate::{GuildId, Shard, UserId};

/// Events kept for a RESUME. A client that is further behind has to identify anew.
const REPLAY_CAPACITY: usize = 1024;

/// Intent bit `GUILDS`.
pub(crate) const INTENT_GUILDS: u64 = 1;
/// Intent bit `GUILD_VOICE_STATES`.
pub(crate) const INTENT_VOICE_STATES: u64 = 1 << 7;

/// What a socket's task is told to do.
#[derive(Debug)]
pub(crate) enum GatewayOut {
    /// Shared with what is kept for a RESUME.
    Text(Utf8Bytes),
    Close(u16, &'static str),
    /// Lose the socket without a close frame.
    Drop,
}

/// The socket that a session is attached to.
struct Socket {
    id: u64,
    out: Sender<GatewayOut>,
}

pub(crate) struct GatewaySession {
    pub(crate) account: Account,
    pub(crate) shard: Shard,
    pub(crate) guilds: BTreeSet<GuildId>,
    /// The session id of this session's voice states. Another value than the session's own, so
    /// that a mix-up of the two shows.
    pub(crate) voice_session: String,
    intents: u64,
    seq: u64,
    replay: VecDeque<(u64, Utf8Bytes)>,
    socket: Option<Socket>,
    detached_at: Option<Instant>,
}

/// Why a RESUME is answered with op 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResumeRefusal {
    UnknownSession,
    OtherToken,
    SequenceOutOfReach,
}

impl ResumeRefusal {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::UnknownSession => "unknown or expired session",
            Self::OtherToken => "session of another token",
            Self::SequenceOutOfReach => "sequence out of reach",
        }
    }
}

#[derive(Default)]
pub(crate) struct GatewaySessions {
    by_id: BTreeMap<String, GatewaySession>,
    /// Whom an event of a guild concerns: hundreds of bots have thousands of guilds.
    in_guild: HashMap<GuildId, BTreeSet<String>>,
}

impl GatewaySessions {
    /// Begins a session attached to socket `socket`. `guilds`: the bot's, of which it has its shard's.
    pub(crate) fn begin(
        &mut self,
        id: String,
        (account, shard): (Account, Shard),
        intents: u64,
        guilds: BTreeSet<GuildId>,
        socket: u64,
        out: Sender<GatewayOut>,
    ) {
        let session = GatewaySession {
            account,
            shard,
            guilds: guilds
                .into_iter()
                .filter(|guild| shard.has(*guild))
                .collect(),
            voice_session: format!("voice-{id}"),
            intents,
            seq: 0,
            replay: VecDeque::new(),
            socket: Some(Socket { id: socket, out }),
            detached_at: None,
        };
        for guild in &session.guilds {
            self.in_guild.entry(*guild).or_default().insert(id.clone());
        }
        self.by_id.insert(id, session);
    }

    /// Attaches the session to another socket and sends what it missed after `seq`, then RESUMED.
    /// The socket that it was attached to before, if any, is closed. Returns how many events were
    /// sent again.
    pub(crate) fn resume(
        &mut self,
        id: &str,
        account: &Account,
        seq: u64,
        socket: u64,
        out: Sender<GatewayOut>,
    ) -> Result<usize, ResumeRefusal> {
        let session = self
            .by_id
            .get_mut(id)
            .ok_or(ResumeRefusal::UnknownSession)?;
        if session.account != *account {
            return Err(ResumeRefusal::OtherToken);
        }
        let kept_from = session
            .replay
            .front()
            .map_or(session.seq, |(seq, _)| seq - 1);
        if seq > session.seq || seq < kept_from {
            return Err(ResumeRefusal::SequenceOutOfReach);
        }
        if let Some(older) = session.socket.replace(Socket { id: socket, out }) {
            let _ = older
                .out
                .try_send(GatewayOut::Close(4000, "session resumed elsewhere"));
        }
        session.detached_at = None;
        let missed: Vec<Utf8Bytes> = session
            .replay
            .iter()
            .filter(|(kept, _)| *kept > seq)
            .map(|(_, text)| text.clone())
            .collect();
        let replayed = missed.len();
        for text in missed {
            session.send(GatewayOut::Text(text));
        }
        session.dispatch("RESUMED", "{}");
        Ok(replayed)
    }

    /// The socket is gone without a goodbye: the session stays, to be resumed.
    pub(crate) fn detach(&mut self, id: &str, socket: u64, now: Instant) {
        if let Some(session) = self.by_id.get_mut(id)
            && session.socket.as_ref().is_some_and(|own| own.id == socket)
        {
            session.socket = None;
            session.detached_at = Some(now);
        }
    }

    /// The socket stays open, but is the session's no longer (op 9).
    pub(crate) fn release(&mut self, id: &str, now: Instant) {
        if let Some(session) = self.by_id.get_mut(id) {
            session.socket = None;
            session.detached_at = Some(now);
        }
    }

    /// Whether `socket` is the one that the session is attached to.
    pub(crate) fn is_attached(&self, id: &str, socket: u64) -> bool {
        self.by_id
            .get(id)
            .and_then(|session| session.socket.as_ref())
            .is_some_and(|own| own.id == socket)
    }

    pub(crate) fn end(&mut self, id: &str) -> Option<GatewaySession> {
        let ended = self.by_id.remove(id)?;
        for guild in &ended.guilds {
            if let Some(sessions) = self.in_guild.get_mut(guild) {
                sessions.remove(id);
            }
        }
        Some(ended)
    }

    /// Sessions that have been without a socket for longer than `window`.
    pub(crate) fn expired(&self, now: Instant, window: Duration) -> Vec<String> {
        self.by_id
            .iter()
            .filter(|(_, session)| {
                session
                    .detached_at
                    .is_some_and(|at| now.saturating_duration_since(at) >= window)
            })
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&GatewaySession> {
        self.by_id.get(id)
    }

    /// Puts the session into `guild`; `true` when it was not in it before.
    pub(crate) fn join_guild(&mut self, id: &str, guild: GuildId) -> bool {
        let session = self.by_id.get_mut(id);
        let is_new = session.is_some_and(|session| session.guilds.insert(guild));
        if is_new {
            let sessions = self.in_guild.entry(guild).or_default();
            sessions.insert(id.to_owned());
        }
        is_new
    }

    /// Sends an event to one session.
    pub(crate) fn dispatch(&mut self, id: &str, event: &str, data: &Value) {
        if let Some(session) = self.by_id.get_mut(id) {
            session.dispatch(event, &data.to_string());
        }
    }

    /// Sends an event to all sessions in `guild` that asked for its intent.
    pub(crate) fn broadcast(&mut self, guild: GuildId, intent: u64, event: &str, data: &Value) {
        let Some(sessions) = self.in_guild.get(&guild) else {
            return;
        };
        let data = data.to_string();
        for id in sessions {
            if let Some(session) = self.by_id.get_mut(id).filter(|one| one.wants(intent)) {
                session.dispatch(event, &data);
            }
        }
    }

    /// Ids of the sessions of `user`, or of all users.
    pub(crate) fn of(&self, user: Option<UserId>) -> Vec<String> {
        self.by_id
            .iter()
            .filter(|(_, session)| user.is_none_or(|user| session.account.user == user))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Tells the session's socket something outside the numbered events. `false`: it has none.
    pub(crate) fn tell(&mut self, id: &str, out: GatewayOut) -> bool {
        let Some(session) = self.by_id.get_mut(id) else {
            return false;
        };
        let attached = session.socket.is_some();
        session.send(out);
        attached
    }
}

impl GatewaySession {
    pub(crate) fn wants(&self, intent: u64) -> bool {
        self.intents & intent == intent
    }

    /// `data`: JSON.
    fn dispatch(&mut self, event: &str, data: &str) {
        self.seq += 1;
        let seq = self.seq;
        let text = format!(r#"{{"t":"{event}","s":{seq},"op":0,"d":{data}}}"#);
        let text = Utf8Bytes::from(text);
        if self.replay.len() == REPLAY_CAPACITY {
            self.replay.pop_front();
        }
        self.replay.push_back((self.seq, text.clone()));
        self.send(GatewayOut::Text(text));
    }

    /// Hands `out` to the socket. One that does not keep up is lost, as by a dropped connection:
    /// the client resumes.
    fn send(&mut self, out: GatewayOut) {
        if let Some(socket) = &self.socket
            && socket.out.try_send(out).is_err()
        {
            self.socket = None;
            self.detached_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use tokio::sync::mpsc::{Receiver, channel};

    const GUILD: GuildId = GuildId(1);

    fn account(token: &str) -> Account {
        Account::authenticate(&[], token).unwrap()
    }

    fn begun() -> (GatewaySessions, Receiver<GatewayOut>) {
        let mut sessions = GatewaySessions::default();
        let (out, events) = channel(4096);
        let guilds = BTreeSet::from([GUILD]);
        sessions.begin(
            "s".into(),
            (account("t"), Shard::WHOLE),
            INTENT_VOICE_STATES,
            guilds,
            1,
            out,
        );
        (sessions, events)
    }

    fn sequences(events: &mut Receiver<GatewayOut>) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        while let Ok(GatewayOut::Text(text)) = events.try_recv() {
            let event: Value = serde_json::from_str(&text).unwrap();
            seen.push((
                event["s"].as_u64().unwrap(),
                event["t"].as_str().unwrap().into(),
            ));
        }
        seen
    }

    #[test]
    fn a_resume_replays_what_was_missed_then_says_resumed() {
        let (mut sessions, mut first) = begun();
        sessions.dispatch("s", "A", &json!({}));
        sessions.detach("s", 1, Instant::now());
        sessions.dispatch("s", "B", &json!({}));
        assert_eq!(sequences(&mut first), [(1, "A".into())]);

        let (out, mut second) = channel(16);
        assert_eq!(sessions.resume("s", &account("t"), 1, 2, out), Ok(1));
        assert_eq!(
            sequences(&mut second),
            [(2, "B".into()), (3, "RESUMED".into())]
        );
    }

    #[test]
    fn a_resume_closes_the_older_socket() {
        let (mut sessions, mut first) = begun();
        let (out, _second) = channel(16);
        sessions.resume("s", &account("t"), 0, 2, out).unwrap();
        assert!(matches!(first.try_recv(), Ok(GatewayOut::Close(4000, _))));
        // The older socket's end must not detach the session from the newer one.
        sessions.detach("s", 1, Instant::now());
        assert!(sessions.is_attached("s", 2));
    }

    #[test]
    fn resumes_that_cannot_be_are_refused() {
        let (mut sessions, _events) = begun();
        for _ in 0..REPLAY_CAPACITY + 10 {
            sessions.dispatch("s", "A", &json!({}));
        }
        let mut resume = |id: &str, token: &str, seq| {
            sessions.resume(id, &account(token), seq, 2, channel(4096).0)
        };
        assert_eq!(resume("x", "t", 1), Err(ResumeRefusal::UnknownSession));
        assert_eq!(resume("s", "u", 1), Err(ResumeRefusal::OtherToken));
        assert_eq!(resume("s", "t", 9), Err(ResumeRefusal::SequenceOutOfReach));
        assert_eq!(
            resume("s", "t", 5000),
            Err(ResumeRefusal::SequenceOutOfReach)
        );
        assert_eq!(resume("s", "t", 10), Ok(REPLAY_CAPACITY));
    }

    #[test]
    fn a_session_expires_only_after_its_window_without_socket() {
        let (mut sessions, _events) = begun();
        let now = Instant::now();
        let window = Duration::from_secs(1);
        assert!(sessions.expired(now + window * 9, window).is_empty());
        sessions.detach("s", 1, now);
        assert!(sessions.expired(now, window).is_empty());
        assert_eq!(sessions.expired(now + window, window), ["s"]);
    }

    #[test]
    fn events_come_to_those_who_asked_for_their_intent() {
        let (mut sessions, mut events) = begun();
        sessions.broadcast(GUILD, INTENT_GUILDS, "GUILD_CREATE", &json!({}));
        sessions.broadcast(GUILD, INTENT_VOICE_STATES, "VOICE_STATE_UPDATE", &json!({}));
        sessions.broadcast(GuildId(2), 0, "OTHER", &json!({}));
        assert_eq!(sequences(&mut events), [(1, "VOICE_STATE_UPDATE".into())]);
    }

    #[test]
    fn events_of_a_guild_come_from_when_it_was_joined() {
        let (mut sessions, mut events) = begun();
        let other = GuildId(2);
        sessions.broadcast(other, 0, "BEFORE", &json!({}));
        assert!(sessions.join_guild("s", other));
        assert!(!sessions.join_guild("s", other));
        sessions.broadcast(other, 0, "AFTER", &json!({"a": 1}));
        assert_eq!(sequences(&mut events), [(1, "AFTER".into())]);
        assert!(sessions.end("s").is_some());
        sessions.broadcast(other, 0, "LATE", &json!({}));
        assert!(sequences(&mut events).is_empty());
    }
}
