//! Errors of the coordinator.

/// Why etcd was of no help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No member answered, or none in time.
    #[error("etcd did not answer: {0}; check that it runs and that ORB_ETCD_ENDPOINTS reach it")]
    Unavailable(String),
    /// A member answered that it will not.
    #[error("etcd refused: {0}; check the certificates and what they permit")]
    Refused(String),
    /// An endpoint is no URL that this can connect to.
    #[error(
        "endpoint number {number} of ORB_ETCD_ENDPOINTS cannot be used: {reason}; give URLs such as http://10.0.0.2:2379"
    )]
    Endpoint {
        /// Counted from 1; the URL itself may hold a password.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There are no endpoints.
    #[error("no etcd endpoint is given; set ORB_ETCD_ENDPOINTS")]
    NoEndpoints,
    /// Two of the times contradict each other.
    #[error("the times of the leader's election do not fit: {0}; leave them at their defaults")]
    Timing(&'static str),
    /// The leader's key holds what this version does not write.
    #[error(
        "the leader's record in etcd is not readable: {0}; another version or another program wrote it"
    )]
    Record(#[from] serde_json::Error),
    /// This leadership has ended.
    #[error("this scheduler leads no more; campaign again")]
    NotLeader,
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "etcd_unavailable",
            Self::Refused(_) => "etcd_refused",
            Self::Endpoint { .. } | Self::NoEndpoints => "etcd_endpoint",
            Self::Timing(_) => "etcd_timing",
            Self::Record(_) => "leader_record",
            Self::NotLeader => "not_leader",
        }
    }

    /// Whether the same may succeed later, here.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Record(_))
    }
}
