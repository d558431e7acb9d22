//! The network between the processes: every link goes through a relay of ours, which can cut or silence it.
//!
//! ```text
//!  worker-2 ──▶ relay of scheduler-1 ──▶ scheduler-1        who calls is read from /proc as the connection comes in,
//!  worker-3 ──▶        "                                    so one relay a server is enough to part any two
//! ```
//!
//! A relay also remembers by which address of its own it passed a connection on. That address is the source that the
//! server sees, so whatever Discord's record says can be traced to one process. Two connections may have the same port
//! at the same time when they lead to different servers, or one is TCP and one UDP; so the relays to Discord pass on from
//! loopback addresses of their own ([`outgoing`]).

mod owners;
mod relay;
mod udp_relay;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

pub use owners::Owners;
use owners::Protocol;
pub use relay::Relay;
pub use udp_relay::UdpRelay;

use crate::place::{Life, Place, Side};
use crate::schedule::Outage;

/// A link that fails.
#[derive(Clone, Copy, Debug)]
struct Failing {
    id: u64,
    place: Place,
    side: Side,
    outage: Outage,
}

/// A connection, or a UDP source, that a relay passed on.
#[derive(Clone, Copy, Debug)]
struct Passage {
    life: Life,
    outgoing: SocketAddr,
    opened: Instant,
}

/// When a link of a place did not let anything through.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Whose.
    pub place: Place,
    /// To what.
    pub side: Side,
    /// Its beginning.
    pub from: Instant,
    /// Its end, when it is over.
    pub until: Option<Instant>,
}

/// What all relays share.
pub struct Network {
    /// Which process has which connection.
    pub owners: Owners,
    failing: watch::Sender<Vec<Failing>>,
    passages: Mutex<Vec<Passage>>,
    silences: Mutex<Vec<(u64, Silence)>>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            owners: Owners::default(),
            failing: watch::Sender::new(Vec::new()),
            passages: Mutex::default(),
            silences: Mutex::default(),
        }
    }
}

impl Network {
    /// Lets a link fail; the number ends it.
    pub fn fail(&self, place: Place, side: Side, outage: Outage) -> u64 {
        let mut id = 0;
        self.failing.send_modify(|failing| {
            id = failing.iter().map(|one| one.id).max().unwrap_or(0) + 1;
            failing.push(Failing {
                id,
                place,
                side,
                outage,
            });
        });
        let silence = Silence {
            place,
            side,
            from: Instant::now(),
            until: None,
        };
        lock(&self.silences).push((id, silence));
        id
    }

    /// Lets it work again.
    pub fn heal(&self, id: u64) {
        for (_, silence) in lock(&self.silences)
            .iter_mut()
            .filter(|(of, silence)| *of == id && silence.until.is_none())
        {
            silence.until = Some(Instant::now());
        }
        self.failing
            .send_modify(|failing| failing.retain(|one| one.id != id));
    }

    /// All times that links were away.
    pub fn silences(&self) -> Vec<Silence> {
        lock(&self.silences)
            .iter()
            .map(|(_, silence)| *silence)
            .collect()
    }

    /// Whose connection a server saw come from `outgoing` at that moment.
    pub fn caller(&self, outgoing: SocketAddr, at: Instant) -> Option<Life> {
        let passages = lock(&self.passages);
        let mut known = passages.iter().rev();
        known
            .find(|passage| passage.outgoing == outgoing && passage.opened <= at)
            .map(|passage| passage.life)
    }

    pub(crate) fn passed(&self, life: Life, outgoing: SocketAddr, opened: Instant) {
        lock(&self.passages).push(Passage {
            life,
            outgoing,
            opened,
        });
    }

    /// What happens to a link, from now on.
    fn state_of(&self, place: Place, side: Side) -> LinkState {
        LinkState {
            place,
            side,
            failing: self.failing.subscribe(),
        }
    }
}

/// One link as a connection over it sees it.
#[derive(Clone)]
struct LinkState {
    place: Place,
    side: Side,
    failing: watch::Receiver<Vec<Failing>>,
}

impl LinkState {
    /// What fails now; a cut outweighs silence.
    fn outage(&self) -> Option<Outage> {
        let failing = self.failing.borrow();
        let here = failing
            .iter()
            .filter(|one| one.place == self.place && one.side == self.side);
        here.map(|one| one.outage).min()
    }

    /// Waits until the link is cut.
    async fn cut(&mut self) {
        self.until(|outage| outage == Some(Outage::Cut)).await;
    }

    /// Waits while the link is silent.
    async fn open(&mut self) {
        self.until(|outage| outage != Some(Outage::Silent)).await;
    }

    /// Waits until the link is silent.
    async fn silent(&mut self) {
        self.until(|outage| outage == Some(Outage::Silent)).await;
    }

    async fn until(&mut self, wanted: impl Fn(Option<Outage>) -> bool) {
        while !wanted(self.outage()) {
            if self.failing.changed().await.is_err() {
                // The network is gone, and with it whatever could change.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Where the connections that relays pass on to a side come from, with any free port. Only Discord's record is asked for
/// them; PostgreSQL lets nobody in from another loopback address.
fn outgoing(protocol: Protocol, side: Side) -> SocketAddr {
    let ip = match (side, protocol) {
        (Side::Discord, Protocol::Tcp) => Ipv4Addr::new(127, 0, 1, 1),
        (Side::Discord, Protocol::Udp) => Ipv4Addr::new(127, 0, 1, 2),
        (Side::Etcd | Side::Postgres | Side::Scheduler, _) => Ipv4Addr::LOCALHOST,
    };
    SocketAddr::from((ip, 0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
