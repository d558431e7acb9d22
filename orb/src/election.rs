//! How the roles find the leader: by etcd, or at the one address that is configured.

use std::path::Path;

use anyhow::{Context, Result};
use orb_config::Config;
use orb_coordinator::{Coordinator, EtcdConfig, EtcdCoordinator, EtcdTls, Timing};
use orb_scheduler_client::{Dialling, LeaderChannel};
use orb_tls::{KeepAlive, MutualTls};
use secrecy::SecretString;

/// The way to the scheduler that leads.
pub(crate) async fn leader(config: &Config, tls: Option<MutualTls>) -> Result<LeaderChannel> {
    let dialling = Dialling::network(keep_alive(config), tls);
    if !config.etcd.endpoints.is_empty() {
        return Ok(LeaderChannel::elected(
            etcd(config).await?.follow(),
            dialling,
        ));
    }
    let url = config
        .scheduler
        .url
        .as_ref()
        .context("ORB_SCHEDULER_URL is not set")?;
    LeaderChannel::at(url.base(), dialling).context("ORB_SCHEDULER_URL is no address of a server")
}

/// Of both ends of a gRPC connection.
pub(crate) fn keep_alive(config: &Config) -> KeepAlive {
    KeepAlive {
        interval: config.timing.http2_keepalive_interval,
        timeout: config.timing.http2_keepalive_timeout,
    }
}

/// The coordinator of several schedulers.
pub(crate) async fn etcd(config: &Config) -> Result<EtcdCoordinator> {
    let etcd = &config.etcd;
    let ca = read(etcd.ca.as_deref(), "ORB_ETCD__CA")?;
    let certificate = read(etcd.certificate.as_deref(), "ORB_ETCD__CERTIFICATE")?;
    let key = read(etcd.key.as_deref(), "ORB_ETCD__KEY")?;
    let client = certificate.zip(key.map(SecretString::from));
    let coordinator = EtcdCoordinator::connect(EtcdConfig {
        endpoints: etcd
            .endpoints
            .iter()
            .map(|url| url.base().to_owned())
            .collect(),
        tls: (ca.is_some() || client.is_some()).then_some(EtcdTls { ca, client }),
        timing: Timing::default(),
    });
    Ok(coordinator.await?)
}

/// Where gateways and workers reach this scheduler.
pub(crate) fn advertised(config: &Config) -> String {
    match &config.scheduler.advertise {
        Some(url) => url.base().to_owned(),
        None if config.tls.is_wanted() => format!("https://{}", config.grpc.addr),
        None => format!("http://{}", config.grpc.addr),
    }
}

fn read(path: Option<&Path>, variable: &str) -> Result<Option<String>> {
    path.map(|path| {
        std::fs::read_to_string(path)
            .with_context(|| format!("{variable}: cannot read {}", path.display()))
    })
    .transpose()
}
