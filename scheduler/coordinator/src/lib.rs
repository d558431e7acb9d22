//! Who leads, and where the leader is.
//!
//! # Mental model
//!
//! Schedulers *campaign*; one of them gets a [`Leadership`], the others go on waiting. A leadership is
//! sure until a *deadline on the leader's own monotonic clock*, its [`Tenure`]:
//!
//! ```text
//!   leader   ──keep-alive sent──────────────────────────▶ deadline: steps down, whatever it hears
//!               │                 ttl - margin           │
//!   etcd        └──▶ lease renewed ───────── ttl ────────────▶ lease may expire ─(≤ 0.5 s)─▶ next leads
//! ```
//!
//! The deadline counts from before the keep-alive was *sent* and etcd's count starts when it *arrived*, so
//! the leader always steps down first, and nothing need be heard from etcd for it. Nor does a tenure that
//! has passed come back: a process that was stopped (SIGSTOP) wakes up to [`Tenure::holds`] = false, and
//! an answer that waited in its socket changes nothing. Whoever acts for the leader asks `holds()` before
//! each act.
//!
//! This makes two leaders rare, and short; it does not make them impossible (the monotonic clock stands
//! still while a whole virtual machine is paused, and an act may be slow on its way). What must be right
//! is fenced by the store: the new leader commits `epoch = max(stored + 1, at_least)` before it loads
//! anything, with [`Leadership::at_least`] from here, and from then on no older one commits. `at_least` is
//! for a database restored from a backup: etcd's revision is ahead of the epochs it has forgotten. After a
//! rebuilt *etcd* it starts small again, and the store's own count goes on: nobody is locked out.
//!
//! Where the leader is stands under one key of etcd that lives and dies with the leader's lease.
//! [`Coordinator::follow`] watches it, for standbys, gateways and workers. It is a hint: whoever connects
//! there learns the truth from the epoch it is told.
//!
//! | what happens to etcd | the leader | candidates | followers |
//! | --- | --- | --- | --- |
//! | away, paused, too slow | steps down at its deadline | wait, trying again | keep what they saw last |
//! | back after a restart, in time | goes on | wait | list anew |
//! | back after that | campaigns again; gives its old lease back itself | first come | list anew |
//! | compacted | goes on | wait | list anew when the watch is cancelled |
//! | rebuilt from nothing | steps down on the first answer | first come; epochs rise by the store | list anew |
//! | one member hangs | asks the next after [`Timing::hedge_after`] | the same | the same |
//!
//! All times stand in [`Timing`], whose relations are checked at start.

mod error;
mod etcd;
mod leader_watch;
mod record;
mod single;
mod tenure;
mod timing;

use std::future::Future;

pub use error::Error;
pub use etcd::{EtcdConfig, EtcdCoordinator, EtcdLeadership, EtcdTls};
pub use leader_watch::LeaderWatch;
pub use record::LeaderRecord;
pub use single::{SingleCoordinator, SingleLeadership};
pub use tenure::{Ended, Tenure};
pub use timing::Timing;

/// The gRPC metadata in which a scheduler that does not lead says where the leader is, when it refuses a call.
pub const LEADER_METADATA: &str = "orb-leader";

/// Decides who leads, and knows where the leader is.
pub trait Coordinator: Send + Sync + 'static {
    /// What a won campaign gives.
    type Leadership: Leadership;

    /// Waits until this process leads; `address` is where the others find it. What may pass by itself
    /// (etcd away, slow, restarted) is waited out; an error is final. Whoever led before drops that
    /// leadership first, and then need not wait for its own old lease. Dropping the future withdraws: at
    /// worst, when it had just won, nobody leads until the lease has run out.
    fn campaign(
        &self,
        address: &str,
    ) -> impl Future<Output = Result<Self::Leadership, Error>> + Send;

    /// Who leads now, asked for rather than remembered.
    fn leader(&self) -> impl Future<Output = Result<Option<LeaderRecord>, Error>> + Send;

    /// Where the leader is, from now on.
    fn follow(&self) -> LeaderWatch;
}

/// A won campaign. Dropping it ends it as a crash would: the others wait until the lease has run out.
pub trait Leadership: Send + Sync + 'static {
    /// Until when it is sure; cheap to clone into whatever acts for the leader.
    fn tenure(&self) -> Tenure;

    /// The least epoch that the store shall give this leader: the revision of etcd at which the leader's
    /// key was made; 0 where there is no etcd.
    fn at_least(&self) -> u64;

    /// Tells followers the epoch that the store gave; to be called when this leader serves. Retryable
    /// when etcd did not answer; nothing depends on it but the hint.
    fn announce(&self, epoch: u64) -> impl Future<Output = Result<(), Error>> + Send;

    /// Steps down in favour of whoever waits. The tenure ends before anybody else can lead, so whatever
    /// acts for the leader must have stopped before. When etcd does not answer, the error says so and the
    /// lease runs out by itself.
    fn resign(self) -> impl Future<Output = Result<(), Error>> + Send;
}
