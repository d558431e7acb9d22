//! Evidence as a test wants it: who said what, when, and what logs say of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, DiscordSimConfig, RecordEntry, RecordEvent, SimClock, UserId};
use serde_json::{Value, json};

use super::Evidence;
use crate::diary::Stop;
use crate::history::{Grant, History};
use crate::logs::LogLine;
use crate::network::Network;
use crate::place::{Kind, Life, Place};

const USER: UserId = UserId(7);

/// The first process at a place.
pub(super) fn process(kind: Kind, index: usize) -> Life {
    let place = Place { kind, index };
    Life { place, number: 1 }
}

/// Times are in milliseconds from its beginning.
pub(super) struct Staged {
    begun: Instant,
    clock: SimClock,
    network: Network,
    record: Vec<RecordEntry>,
    logs: BTreeMap<Life, Vec<LogLine>>,
    stops: Vec<Stop>,
    _discord: DiscordSim,
}

impl Staged {
    pub(super) async fn begin() -> Self {
        let discord = DiscordSim::start(DiscordSimConfig::default())
            .await
            .unwrap();
        let clock = discord.heard(1).clock();
        Self {
            begun: Instant::now(),
            clock,
            network: Network::default(),
            record: Vec::new(),
            logs: BTreeMap::new(),
            stops: Vec::new(),
            _discord: discord,
        }
    }

    /// A scheduler begins to lead.
    pub(super) fn leads(&mut self, life: Life, at: u64, epoch: u64) {
        self.logs(
            life,
            at,
            json!({"message": "leading", "epoch": epoch.to_string()}),
        );
    }

    /// A worker's gate lets it pass.
    pub(super) fn passes(&mut self, life: Life, at: u64, step: &str, session: &str, token: u64) {
        let fields =
            json!({"message": "passes the gate", "step": step, "session": session, "token": token});
        self.logs(life, at, fields);
    }

    /// Discord hears something from it.
    pub(super) fn said(&mut self, life: Life, at: u64, event: RecordEvent) {
        let at = self.at(at);
        let port =
            40_000 + life.place.index as u16 + 100 * u16::from(life.place.kind == Kind::Worker);
        let source = SocketAddr::from(([127, 0, 0, 1], port));
        self.network.passed(life, source, self.begun);
        self.record.push(RecordEntry {
            at,
            unix_ms: self.clock.unix_ms(at),
            source: Some(source),
            user: Some(USER),
            event,
        });
    }

    /// It stands still.
    pub(super) fn stops(&mut self, life: Life, from: u64, until: u64) {
        let (from, until) = (self.at(from), Some(self.at(until)));
        self.stops.push(Stop { life, from, until });
    }

    pub(super) fn evidence(&self) -> Evidence<'_> {
        let logs = self.logs.iter();
        Evidence {
            record: self.record.clone(),
            clock: self.clock,
            logs: logs
                .map(|(life, lines)| (*life, PathBuf::new(), lines.clone()))
                .collect(),
            network: &self.network,
            stops: self.stops.clone(),
            silences: Vec::new(),
        }
    }

    fn logs(&mut self, life: Life, at: u64, fields: Value) {
        let unix_ms = self.clock.unix_ms(self.at(at));
        let lines = self.logs.entry(life).or_default();
        lines.push(LogLine { unix_ms, fields });
    }

    fn at(&self, ms: u64) -> Instant {
        self.begun + Duration::from_millis(ms)
    }
}

/// So many leases, of one session.
pub(super) fn grants(count: u64) -> History {
    let grant = |token| Grant {
        session: "10011".to_owned(),
        token,
        worker: "w".to_owned(),
        incarnation: token.to_string(),
    };
    History {
        grants: (1..=count).map(grant).collect(),
        ..History::default()
    }
}
