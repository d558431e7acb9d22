//! Worker processes that do what the protocol asks of them, no more.

use std::collections::BTreeMap;

use orb_scheduler_core::{
    Desired, Effect, EndReason, Fence, HandoverReport, Incarnation, Item, KnownPlan, Millis,
    Observed, PlaybackState, Position, Prepared, Role, SessionId, VoiceLoss, WorkerId,
    WorkerRegistration, WorkerStatus,
};

/// What a title costs here: 20, 650 or 1,300 millicores.
pub(crate) fn cost(item: &Item) -> u32 {
    match item.item_id.as_str() {
        "item-1" => 20,
        "item-2" => 650,
        _ => 1_300,
    }
}

/// How far a worker is with what it was told.
#[derive(Debug, Clone)]
pub(crate) enum At {
    /// The current item.
    Current,
    /// It has played that out, and gone on to this one.
    Next(Box<Item>),
    /// It has played that out, and there was none.
    End,
}

/// One session, as a worker was told of it last.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) fence: Fence,
    pub(crate) role: Role,
    pub(crate) desired: Desired,
    pub(crate) voice_revision: Option<u64>,
    pub(crate) at: At,
    /// What it says of the next item.
    pub(crate) prepared: Option<Prepared>,
}

impl Told {
    /// What it plays.
    pub(crate) fn playing(&self) -> Option<&Item> {
        match &self.at {
            At::Current => self.desired.current.as_ref(),
            At::Next(next) => Some(next),
            At::End => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.at, At::Current)
    }

    /// Where a newer word leaves it (`proto/orb/v1/worker.proto`, "an advance").
    fn after(&self, desired: &Desired) -> At {
        let current = |desired: &Desired| desired.current.as_ref().map(|item| item.entry);
        let is_same = current(desired) == current(&self.desired)
            && desired.anchor.set_at == self.desired.anchor.set_at;
        match &desired.next {
            _ if !self.is_over() || !is_same => At::Current,
            Some(next) => At::Next(Box::new(next.clone())),
            None => At::End,
        }
    }
}

/// One worker id, and the process that lives under it now.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: WorkerId,
    pub(crate) life: u32,
    pub(crate) attached: bool,
    pub(crate) draining: bool,
    pub(crate) go_live: bool,
    pub(crate) total: u32,
    pub(crate) told: BTreeMap<SessionId, Told>,
    pub(crate) last_beat: u64,
}

impl Process {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            id: WorkerId::new(format!("w{index}")),
            life: 1,
            attached: false,
            draining: false,
            go_live: index != 1,
            total: 2_000,
            told: BTreeMap::new(),
            last_beat: 0,
        }
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation::new(format!("{}-life-{}", self.id, self.life))
    }

    /// SIGKILL; what starts next under this id is another process.
    pub(crate) fn die(&mut self) {
        self.life += 1;
        self.attached = false;
        self.draining = false;
        self.told.clear();
    }

    /// Takes only what is newer, and only from a stream that is open.
    pub(crate) fn hear(&mut self, effect: &Effect) {
        match effect {
            Effect::SendLease {
                worker,
                incarnation,
                session,
                fence,
                desired,
                voice,
                role,
            } if self.is(worker, incarnation) => {
                let known = self.told.get(session);
                if known.is_none_or(|known| known.fence < *fence) {
                    let next = desired.next.as_ref().map(|item| item.entry);
                    let prepared = known.and_then(|known| known.prepared.clone());
                    let told = Told {
                        fence: *fence,
                        role: *role,
                        desired: (**desired).clone(),
                        voice_revision: voice.as_ref().map(|voice| voice.revision.get()),
                        at: known.map_or(At::Current, |known| known.after(desired)),
                        prepared: prepared.filter(|prepared| Some(prepared.entry) == next),
                    };
                    self.told.insert(session.clone(), told);
                }
            }
            Effect::SendRevoke {
                worker,
                incarnation,
                session,
                fence,
            } if self.is(worker, incarnation) => {
                self.told
                    .retain(|id, told| id != session || told.fence >= *fence);
            }
            Effect::RefuseWorker {
                worker,
                incarnation,
            } if self.is(worker, incarnation) => self.attached = false,
            _ => {}
        }
    }

    fn is(&self, worker: &WorkerId, incarnation: &Incarnation) -> bool {
        self.attached && &self.id == worker && &self.incarnation() == incarnation
    }

    pub(crate) fn registration(&self, now: u64) -> WorkerRegistration {
        WorkerRegistration {
            worker: self.id.clone(),
            incarnation: self.incarnation(),
            total_millicores: self.total,
            free_millicores: self.free(),
            draining: self.draining,
            go_live: self.go_live,
            sessions: self.reports(now),
        }
    }

    pub(crate) fn free(&self) -> u32 {
        let used: u32 = self.told.values().filter_map(Told::playing).map(cost).sum();
        self.total.saturating_sub(used)
    }

    pub(crate) fn reports(&self, now: u64) -> Vec<Observed> {
        self.told.keys().map(|id| self.report(id, now)).collect()
    }

    /// What it sees of a session: whatever it was told, it has done.
    pub(crate) fn report(&self, id: &SessionId, now: u64) -> Observed {
        let told = &self.told[id];
        let item = told.playing();
        let has_advanced = matches!(told.at, At::Next(_));
        let ended_item = told.desired.current.as_ref().filter(|_| item.is_none());
        let (playback, rate_permille) = match (item, told.role, told.desired.paused) {
            (None, ..) if ended_item.is_some() => (PlaybackState::Ended, 0),
            (None, ..) => (PlaybackState::Idle, 0),
            (Some(_), _, false) if has_advanced => (PlaybackState::Playing, 1_000),
            (_, Role::WarmsUp, _) => (PlaybackState::Loading, 0),
            (_, Role::HoldsUntil { .. }, false) => (PlaybackState::Playing, 0),
            (_, _, true) => (PlaybackState::Paused, 0),
            (_, _, false) => (PlaybackState::Playing, 1_000),
        };
        let handover = match told.role {
            _ if told.is_over() => None,
            Role::Holds => None,
            Role::HoldsUntil { position_ms } => Some(HandoverReport::Stopped { position_ms }),
            Role::WarmsUp => Some(HandoverReport::Warm),
        };
        Observed {
            session: id.clone(),
            fence: told.fence,
            worker_status: match told.voice_revision {
                Some(_) => WorkerStatus::Connected,
                None => WorkerStatus::Disconnected,
            },
            playback,
            end_reason: ended_item.map(|_| EndReason::Finished),
            position: Position {
                media_ms: match told.at {
                    At::Current => told.desired.anchor.position_ms,
                    At::Next(_) | At::End => 40,
                },
                at: Millis(now),
                rate_permille,
            },
            duration_ms: item.and_then(|item| item.duration_ms),
            failure: None,
            plan: String::new(),
            opened_at: told.desired.anchor.set_at,
            known_plan: item.map(|item| KnownPlan {
                cost_millicores: cost(item),
                details: String::new(),
            }),
            health: orb_scheduler_core::Health::default(),
            entry: item.or(ended_item).map(|item| item.entry),
            external_id: item.or(ended_item).and_then(|item| item.external_id),
            advanced_from: (told.desired.current.as_ref())
                .filter(|_| has_advanced)
                .map(|item| item.entry),
            prepared: told.prepared.clone().map(Box::new),
            handover,
            voice_loss: None::<VoiceLoss>,
            watch_latency_ms: None,
            picture: None,
        }
    }
}
