//! Election and discovery with etcd: one key, created with the leader's lease.

mod follow;
mod leader_key;
mod members;
mod renewal;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use crate::{Coordinator, Error, LeaderRecord, LeaderWatch, Timing};
use leader_key::LeaderKey;
use members::Members;
pub use renewal::EtcdLeadership;

/// How to reach etcd.
#[derive(Debug, Clone, Default)]
pub struct EtcdConfig {
    /// URLs of its members, `http://` or `https://`. All are used, in no order.
    pub endpoints: Vec<String>,
    /// For `https://`; unset, the system's roots and no client certificate.
    pub tls: Option<EtcdTls>,
    /// Leave it at its default.
    pub timing: Timing,
}

/// Certificates towards etcd, as PEM.
#[derive(Debug, Clone)]
pub struct EtcdTls {
    /// Who may have signed etcd's certificate; unset, the system's roots.
    pub ca: Option<String>,
    /// This process's certificate and its key.
    pub client: Option<(String, SecretString)>,
}

/// The coordinator of several schedulers.
pub struct EtcdCoordinator {
    key: LeaderKey,
    timing: Timing,
    /// A lease that this process gave up without being able to say so; 0 for none. As long as etcd has
    /// it, it keeps everybody from leading, so whoever finds it is glad to give it back.
    forsaken: Arc<AtomicI64>,
}

impl EtcdCoordinator {
    /// Checks the configuration; connects when something is asked, so etcd may be away.
    pub async fn connect(config: EtcdConfig) -> Result<Self, Error> {
        config.timing.check()?;
        let members = Members::connect(&config).await?;
        Ok(Self {
            key: LeaderKey::new(members),
            timing: config.timing,
            forsaken: Arc::default(),
        })
    }

    /// One try to lead: `None` when somebody else does.
    ///
    /// Orderings that matter: the clock is read before the lease is asked for, so the deadline is early
    /// rather than late; and the key is created by one transaction that fails when it is there, so there
    /// is no moment at which two have it.
    async fn attempt(
        &self,
        address: &str,
        hints: &LeaderWatch,
    ) -> Result<Option<EtcdLeadership>, Error> {
        if let Some(held) = self.key.read().await? {
            if held.lease() != self.forsaken.load(Ordering::Relaxed) {
                return Ok(None);
            }
            self.key.revoke(held.lease()).await?;
            self.forsaken.store(0, Ordering::Relaxed);
        }
        let record = LeaderRecord {
            address: address.to_owned(),
            revision: 0,
            epoch: None,
        };
        let sent = Instant::now();
        let lease = self.key.grant(self.timing.ttl).await?;
        let taken = self.key.take(&record, lease.id).await;
        let deadline = sent + lease.ttl - self.timing.margin;
        match taken {
            Ok(Some(revision)) if Instant::now() < deadline => {
                let seat = renewal::Seat {
                    key: self.key.clone(),
                    lease,
                    address: address.to_owned(),
                    revision,
                    forsaken: Arc::clone(&self.forsaken),
                };
                let hints = hints.clone();
                Ok(Some(EtcdLeadership::begin(
                    seat,
                    deadline,
                    hints,
                    self.timing,
                )))
            }
            lost => {
                // The key may be ours all the same when the answer was lost or came too late.
                self.forsaken.store(lease.id, Ordering::Relaxed);
                if self.key.revoke(lease.id).await.is_ok() {
                    self.forsaken.store(0, Ordering::Relaxed);
                }
                lost.and(Ok(None))
            }
        }
    }
}

impl Coordinator for EtcdCoordinator {
    type Leadership = EtcdLeadership;

    async fn campaign(&self, address: &str) -> Result<EtcdLeadership, Error> {
        let mut hints = self.follow();
        let mut failing = false;
        loop {
            match self.attempt(address, &hints).await {
                Ok(Some(leadership)) => return Ok(leadership),
                Ok(None) => {
                    failing = false;
                    // Told, or not told: both are looked into.
                    tokio::select! {
                        () = hints.vacated() => {}
                        () = sleep(self.timing.campaign_every) => {}
                    }
                }
                Err(error) if error.is_retryable() => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, code = error.code(), "cannot campaign now; trying on");
                    }
                    sleep(jittered(self.timing.retry_after)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn leader(&self) -> Result<Option<LeaderRecord>, Error> {
        self.key
            .read()
            .await?
            .map(|held| leader_key::record(&held))
            .transpose()
    }

    fn follow(&self) -> LeaderWatch {
        follow::start(self.key.clone(), self.timing)
    }
}

/// Half to one and a half of it: a thousand that lost etcd together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.5))
}

fn tls_options(tls: Option<&EtcdTls>) -> etcd_client::TlsOptions {
    let mut options = etcd_client::TlsOptions::new();
    options = match tls.and_then(|tls| tls.ca.as_ref()) {
        Some(ca) => options.ca_certificate(etcd_client::Certificate::from_pem(ca)),
        None => options.with_native_roots(),
    };
    if let Some((certificate, key)) = tls.and_then(|tls| tls.client.as_ref()) {
        options = options.identity(etcd_client::Identity::from_pem(
            certificate,
            key.expose_secret(),
        ));
    }
    options
}
