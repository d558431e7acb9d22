//! Who and what there is: processes, their lives, and the links between them and what they call.

use std::fmt;

/// What a process of the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `orb scheduler`.
    Scheduler,
    /// `orb worker`.
    Worker,
    /// `orb gateway`.
    Gateway,
}

impl Kind {
    /// As in `orb <role>`.
    pub fn role(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
            Self::Gateway => "gateway",
        }
    }
}

/// Where processes of one kind run, one after the other: what a deployment would call a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What runs there.
    pub kind: Kind,
    /// From 0.
    pub index: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.role(), self.index + 1)
    }
}

/// One process: the first at its place, or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Where.
    pub place: Place,
    /// From 1.
    pub number: u32,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place, self.number)
    }
}

/// What a process calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// etcd.
    Etcd,
    /// PostgreSQL.
    Postgres,
    /// Whichever scheduler.
    Scheduler,
    /// Discord: REST, main gateway, voice gateway and media.
    Discord,
}

impl Side {
    /// For names of faults.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Postgres => "postgres",
            Self::Scheduler => "scheduler",
            Self::Discord => "discord",
        }
    }
}
