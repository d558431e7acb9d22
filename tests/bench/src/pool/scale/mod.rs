//! The scheduler under load: allocations, bursts, and a thousand workers that beat.
//!
//! ```text
//!  this process                            processes of their own
//! ┌───────────────────────┐
//! │ calls ── HTTP ────────┼──────────▶ orb gateway ─▶ orb scheduler ─▶ PostgreSQL, etcd
//! │ Swarm: workers without│                              │   ▲   │
//! │ media ◀── attach ─────┼──────────────────────────────┘   │   └▶ discord-sim
//! │ Watchers ◀── gRPC ────┼──────────────────────────────────┘
//! └───────────────────────┘
//! ```
//!
//! A simulated worker speaks the real protocol over a connection of its own: it takes leases, reports them at once, and
//! beats as it is told to, but there is no sound. So one machine has room for a thousand, and both ends of an
//! allocation are on one clock: the HTTP call that asks for it, and the worker that takes the lease.

mod allocate;
mod beats;
mod burst;
mod calls;
mod discord;
mod installation;
mod one_thread;
mod playing;
mod sim_session;
mod sim_worker;
mod swarm;

pub(crate) use allocate::measure as allocate;
pub(crate) use burst::measure as burst;
pub(crate) use discord::serve as serve_discord;
pub(crate) use playing::measure as playing;
