//! Whether a gateway or a worker would find the scheduler.

use orb_coordinator::{Coordinator, EtcdConfig, EtcdCoordinator, EtcdTls, Timing};
use orb_tls::MutualTls;
use secrecy::SecretString;
use url::Url;

use super::{Subject, tls};
use crate::{Finding, Role};

const CHECK: &str = "scheduler";

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    if !subject.is(&[Role::Gateway, Role::Worker]) {
        return vec![Finding::skipped(
            CHECK,
            format!("`orb {}` is one itself", subject.role.name()),
        )];
    }
    // What is wrong with the files is said by their own check.
    let Ok(tls) = tls::load(subject) else {
        return vec![Finding::skipped(
            CHECK,
            "the certificates to reach it with are of no use",
        )];
    };
    if !subject.config.etcd.endpoints.is_empty() {
        return vec![elected(subject, tls.as_ref()).await];
    }
    let Some(url) = &subject.config.scheduler.url else {
        return vec![Finding::skipped(CHECK, "none is named")];
    };
    let fix = "start `orb scheduler` there, or set ORB_SCHEDULER_URL to where it is";
    vec![dial(url.as_url(), tls.as_ref(), fix).await]
}

async fn elected(subject: &Subject, tls: Option<&MutualTls>) -> Finding {
    let leader = match coordinator(subject).await {
        Ok(coordinator) => coordinator.leader().await,
        Err(error) => Err(error),
    };
    match leader {
        Ok(Some(leader)) => {
            match Url::parse(&leader.address) {
                Ok(url) => dial(
                    &url,
                    tls,
                    "look at the log of the scheduler there, and at its ORB_SCHEDULER__ADVERTISE",
                )
                .await,
                Err(_) => Finding::failed(
                    CHECK,
                    "the one that leads tells an address that is no URL",
                    "set its ORB_SCHEDULER__ADVERTISE to where it is reached, such as http://10.0.0.3:50051",
                ),
            }
        }
        Ok(None) => Finding::warning(
            CHECK,
            "none leads at this moment",
            "start `orb scheduler` with the same ORB_ETCD_ENDPOINTS",
        ),
        // The check of etcd says more.
        Err(error) => Finding::skipped(CHECK, format!("who leads is not known: {}", error.code())),
    }
}

async fn coordinator(subject: &Subject) -> Result<EtcdCoordinator, orb_coordinator::Error> {
    let etcd = &subject.config.etcd;
    let read = |path: &Option<std::path::PathBuf>| std::fs::read_to_string(path.as_ref()?).ok();
    let ca = read(&etcd.ca);
    let client = read(&etcd.certificate).zip(read(&etcd.key).map(SecretString::from));
    EtcdCoordinator::connect(EtcdConfig {
        endpoints: etcd
            .endpoints
            .iter()
            .map(|url| url.base().to_owned())
            .collect(),
        tls: (ca.is_some() || client.is_some()).then_some(EtcdTls { ca, client }),
        timing: Timing::default(),
    })
    .await
}

async fn dial(url: &Url, tls: Option<&MutualTls>, fix: &str) -> Finding {
    let origin = url.origin().ascii_serialization();
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Finding::failed(CHECK, format!("{origin} names no host"), fix);
    };
    match orb_tls::dial(host, port, tls).await {
        Ok(_) => Finding::ok(CHECK, format!("{origin} takes connections")),
        Err(orb_tls::Error::Unreachable { source, .. }) => {
            Finding::failed(CHECK, format!("nobody answers at {origin}: {source}"), fix)
        }
        Err(error) => Finding::of_error(CHECK, &error),
    }
}
