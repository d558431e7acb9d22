//! Which faults, and when: a function of the seed alone.

use std::fmt;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::place::Side;

/// How many of each role a run has. Fixed but for the schedulers, so that a schedule can name them.
pub const WORKERS: usize = 3;
/// Gateways of a run.
pub const GATEWAYS: usize = 2;

/// Parties have this long to get going.
const FIRST_AT_MS: u64 = 3_000;

/// Between the beginnings of two faults.
const PAUSE_MS: std::ops::Range<u64> = 500..4_000;

/// How often a fault is looked for that fits at the end.
const LAST_TRIES: usize = 8;

/// How long a process is stopped, and a link is away.
const AWAY_MS: std::ops::RangeInclusive<u64> = 500..=8_000;

/// From the end of a process to its next start.
const DOWN_MS: std::ops::RangeInclusive<u64> = 100..=4_000;

/// What happens at once is left alone for so long before the next of its kind.
const MOMENT_MS: u64 = 1_000;

/// A process that is asked to end gets so long before the next fault may hit its place.
const ENDING_MS: u64 = 8_000;

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// By number.
    Worker(usize),
    /// By number.
    Gateway(usize),
    /// The scheduler that leads when the fault begins, or led last.
    Leader,
    /// One that does not.
    Standby,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Worker(_) => "worker",
            Self::Gateway(_) => "gateway",
            Self::Leader => "leader",
            Self::Standby => "standby",
        }
    }
}

/// How a link fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// Connections are reset, and new ones too.
    Cut,
    /// Nothing gets through, and nobody is told; what was sent arrives when it is over.
    Silent,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL; started again when it is over.
    Kill(Target),
    /// SIGSTOP; SIGCONT when it is over.
    Stop(Target),
    /// SIGTERM: a worker drains, a leader hands over. Started again when it has ended.
    Terminate(Target),
    /// A link of theirs.
    Link(Target, Side, Outage),
    /// etcd is killed, and started again with its data.
    EtcdCrash,
    /// etcd stands still.
    EtcdStop,
    /// PostgreSQL crashes, and recovers.
    PostgresCrash,
    /// PostgreSQL is restarted in good order.
    PostgresRestart,
    /// etcd loses all its data: another one stands in its place.
    EtcdRebuild,
    /// All schedulers are killed; they are started again when it is over.
    Headless,
    /// Discord ends the gateway sessions of all accounts, and with them their voice states; a RESUME is refused.
    DiscordForgets,
    /// All calls move to the other voice server.
    VoiceServerMoves,
}

impl Fault {
    /// What is counted: the same for all workers.
    pub fn kind(&self) -> String {
        match self {
            Self::Kill(target) => format!("kill_{}", target.name()),
            Self::Stop(target) => format!("stop_{}", target.name()),
            Self::Terminate(Target::Worker(_)) => "drain_worker".to_owned(),
            Self::Terminate(Target::Leader) => "hand_over".to_owned(),
            Self::Terminate(target) => format!("terminate_{}", target.name()),
            Self::Link(target, side, outage) => {
                let outage = match outage {
                    Outage::Cut => "cut",
                    Outage::Silent => "silent",
                };
                format!("{outage}_{}_{}", target.name(), side.name())
            }
            Self::EtcdCrash => "etcd_crash".to_owned(),
            Self::EtcdStop => "etcd_stop".to_owned(),
            Self::PostgresCrash => "postgres_crash".to_owned(),
            Self::PostgresRestart => "postgres_restart".to_owned(),
            Self::EtcdRebuild => "etcd_rebuild".to_owned(),
            Self::Headless => "headless".to_owned(),
            Self::DiscordForgets => "discord_forgets".to_owned(),
            Self::VoiceServerMoves => "voice_server_moves".to_owned(),
        }
    }

    /// Two faults with the same one are never under way at once. Schedulers share one, for who leads is not known
    /// beforehand.
    fn place(&self) -> &'static str {
        match self {
            Self::Kill(target)
            | Self::Stop(target)
            | Self::Terminate(target)
            | Self::Link(target, ..) => match target {
                Target::Worker(0) => "first worker",
                Target::Worker(1) => "second worker",
                Target::Worker(_) => "third worker",
                Target::Gateway(0) => "first gateway",
                Target::Gateway(_) => "second gateway",
                Target::Leader | Target::Standby => "schedulers",
            },
            Self::Headless => "schedulers",
            Self::DiscordForgets | Self::VoiceServerMoves => "discord",
            Self::EtcdCrash | Self::EtcdStop | Self::EtcdRebuild => "etcd",
            Self::PostgresCrash | Self::PostgresRestart => "postgres",
        }
    }

    fn random(rng: &mut ChaCha8Rng) -> Self {
        let worker = Target::Worker(rng.random_range(0..WORKERS));
        let gateway = Target::Gateway(rng.random_range(0..GATEWAYS));
        let scheduler = if rng.random_bool(0.75) {
            Target::Leader
        } else {
            Target::Standby
        };
        let outage = if rng.random_bool(0.5) {
            Outage::Cut
        } else {
            Outage::Silent
        };
        let weighted: [(u32, Self); 20] = [
            (14, Self::Kill(worker)),
            (12, Self::Stop(worker)),
            (8, Self::Terminate(worker)),
            (9, Self::Kill(scheduler)),
            (8, Self::Stop(scheduler)),
            (6, Self::Terminate(scheduler)),
            (3, Self::Kill(gateway)),
            (2, Self::Stop(gateway)),
            (1, Self::Terminate(gateway)),
            (5, Self::EtcdCrash),
            (3, Self::EtcdStop),
            (4, Self::PostgresCrash),
            (2, Self::PostgresRestart),
            (2, Self::EtcdRebuild),
            (4, Self::Headless),
            (4, Self::DiscordForgets),
            (3, Self::VoiceServerMoves),
            (
                10,
                Self::Link(
                    worker,
                    *pick(
                        rng,
                        &[Side::Scheduler, Side::Scheduler, Side::Discord, Side::Etcd],
                    ),
                    outage,
                ),
            ),
            (
                8,
                Self::Link(
                    scheduler,
                    *pick(rng, &[Side::Etcd, Side::Postgres, Side::Discord]),
                    outage,
                ),
            ),
            (
                4,
                Self::Link(gateway, *pick(rng, &[Side::Scheduler, Side::Etcd]), outage),
            ),
        ];
        let total = weighted.iter().map(|(weight, _)| weight).sum();
        let mut left = rng.random_range(0..total);
        for (weight, fault) in weighted {
            if left < weight {
                return fault;
            }
            left -= weight;
        }
        unreachable!("the weights add up to the total")
    }

    fn lasts_ms(&self, rng: &mut ChaCha8Rng) -> u64 {
        match self {
            Self::Terminate(_) => ENDING_MS,
            Self::Stop(_) | Self::Link(..) | Self::EtcdStop | Self::Headless => {
                rng.random_range(AWAY_MS)
            }
            // The moment itself, and what it starts.
            Self::DiscordForgets | Self::VoiceServerMoves => MOMENT_MS,
            _ => rng.random_range(DOWN_MS),
        }
    }
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    from.choose(rng).expect("the lists above are not empty")
}

/// A fault with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// From the beginning of the faults, in milliseconds.
    pub at_ms: u64,
    /// In milliseconds; for [`Fault::Terminate`] only until when its place is left alone.
    pub lasts_ms: u64,
    /// What.
    pub fault: Fault,
}

impl Planned {
    /// A fault that begins when `at` says, knowing how long it lasts.
    fn random(rng: &mut ChaCha8Rng, at: impl FnOnce(u64) -> u64) -> Self {
        let fault = Fault::random(rng);
        let lasts_ms = fault.lasts_ms(rng);
        Self {
            at_ms: at(lasts_ms),
            lasts_ms,
            fault,
        }
    }

    fn ends_ms(&self) -> u64 {
        self.at_ms + self.lasts_ms
    }

    /// Whether few enough others are under way meanwhile, and none at the same place.
    fn fits(&self, others: &[Self], at_once: usize) -> bool {
        let meanwhile =
            |other: &&Self| other.at_ms <= self.ends_ms() && self.at_ms <= other.ends_ms();
        let mut count = 0;
        for other in others.iter().filter(meanwhile) {
            count += 1;
            if count >= at_once || other.fault.place() == self.fault.place() {
                return false;
            }
        }
        true
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at_ms as f64 / 1e3, self.lasts_ms as f64 / 1e3);
        write!(f, "{at:8.3} s  {lasts:6.3} s  {}", self.fault.kind())?;
        match self.fault {
            Fault::Kill(Target::Worker(n) | Target::Gateway(n))
            | Fault::Stop(Target::Worker(n) | Target::Gateway(n))
            | Fault::Terminate(Target::Worker(n) | Target::Gateway(n))
            | Fault::Link(Target::Worker(n) | Target::Gateway(n), ..) => write!(f, " {}", n + 1),
            _ => Ok(()),
        }
    }
}

/// All faults of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// 2 or 3.
    pub schedulers: usize,
    /// By time. None is under way when the duration is over.
    pub faults: Vec<Planned>,
}

impl Schedule {
    /// Of this seed: `duration_ms` long, at most `at_once` faults under way at any time.
    pub fn new(seed: u64, duration_ms: u64, at_once: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let schedulers = rng.random_range(2..=3);
        let mut faults: Vec<Planned> = Vec::new();
        let mut at_ms = FIRST_AT_MS;
        while at_ms < duration_ms {
            let planned = Planned::random(&mut rng, |_| at_ms);
            if planned.ends_ms() <= duration_ms && planned.fits(&faults, at_once) {
                faults.push(planned);
            }
            at_ms += rng.random_range(PAUSE_MS);
        }
        // Some faults last to the very end, so that there is something to recover from.
        for _ in 0..LAST_TRIES {
            let planned = Planned::random(&mut rng, |lasts| duration_ms.saturating_sub(lasts));
            if planned.at_ms >= FIRST_AT_MS && planned.fits(&faults, at_once) {
                faults.push(planned);
            }
        }
        faults.sort_by_key(|planned| planned.at_ms);
        Self { schedulers, faults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES_MS: u64 = 300_000;

    #[test]
    fn a_seed_gives_the_same_schedule_and_another_one_another() {
        let of = |seed| Schedule::new(seed, MINUTES_MS, 2);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7).faults, of(8).faults);
    }

    #[test]
    fn faults_are_few_at_once_apart_and_over_in_time() {
        for seed in 0..200 {
            let schedule = Schedule::new(seed, MINUTES_MS, 2);
            assert!(schedule.faults.len() > 40, "seed {seed}");
            for one in &schedule.faults {
                assert!(one.at_ms + one.lasts_ms <= MINUTES_MS, "seed {seed}: {one}");
                let with: Vec<_> = schedule
                    .faults
                    .iter()
                    .filter(|other| {
                        other.at_ms <= one.at_ms && one.at_ms <= other.at_ms + other.lasts_ms
                    })
                    .collect();
                assert!(with.len() <= 2, "seed {seed}: {with:?}");
                let here = with
                    .iter()
                    .filter(|other| other.fault.place() == one.fault.place());
                assert_eq!(here.count(), 1, "seed {seed}: {with:?}");
            }
        }
    }

    #[test]
    fn every_kind_of_fault_comes_up() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let schedule = Schedule::new(seed, MINUTES_MS, 2);
            kinds.extend(schedule.faults.iter().map(|one| one.fault.kind()));
        }
        // Three ways to hit each of four kinds of processes, what hits no process of ours, and links.
        assert_eq!(kinds.len(), 12 + 8 + 2 * (3 + 3 + 3 + 2), "{kinds:#?}");
    }
}
