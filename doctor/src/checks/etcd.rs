//! etcd: which members answer, and whether they are a cluster that can decide.

use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};
use orb_config::{Config, HttpUrl};

use super::Subject;
use crate::{Finding, Role};

const CHECK: &str = "etcd";

/// A member that is well answers within milliseconds.
const TIME_OUT: Duration = Duration::from_secs(4);

/// Where the cluster has none, this is read; the answer says only that a majority agrees on it.
const ANY_KEY: &str = "orb-doctor";

/// A member that answered.
struct Member {
    version: String,
    has_leader: bool,
    /// A majority answered through it.
    decides: bool,
    /// Such as that its disk is full.
    alarms: Vec<String>,
}

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let config = &subject.config;
    if subject.is(&[Role::Up]) {
        return vec![Finding::skipped(CHECK, "`orb up` is its own leader")];
    }
    if config.etcd.endpoints.is_empty() {
        return vec![Finding::skipped(
            CHECK,
            "ORB_ETCD_ENDPOINTS is not set: there is one scheduler",
        )];
    }
    let tls = match tls_options(config) {
        Ok(tls) => tls,
        Err((variable, reason)) => {
            return vec![Finding::failed(
                CHECK,
                format!("{variable}: {reason}"),
                "name a file that this process may read",
            )];
        }
    };
    let asked = config.etcd.endpoints.iter().map(async |url| {
        let answer = tokio::time::timeout(TIME_OUT, member(url, tls.clone())).await;
        (
            url,
            answer.unwrap_or_else(|_| Err("no answer in time".to_owned())),
        )
    });
    vec![judge(&futures::future::join_all(asked).await)]
}

async fn member(url: &HttpUrl, tls: TlsOptions) -> Result<Member, String> {
    let mut options = ConnectOptions::new().with_connect_timeout(TIME_OUT);
    if url.as_url().scheme() == "https" {
        options = options.with_tls(tls);
    }
    let said = |error: etcd_client::Error| match &error {
        etcd_client::Error::GRpcStatus(status) => super::http::innermost(status),
        other => super::http::innermost(other),
    };
    let mut client = Client::connect([url.base()], Some(options))
        .await
        .map_err(said)?;
    let status = client.status().await.map_err(said)?;
    // Linearizable, which takes a majority.
    let decides = client.get(ANY_KEY, None).await.is_ok();
    Ok(Member {
        version: status.version().to_owned(),
        has_leader: status.leader() != 0,
        decides,
        alarms: status.errors().to_vec(),
    })
}

fn judge(asked: &[(&HttpUrl, Result<Member, String>)]) -> Finding {
    let answered: Vec<&Member> = asked
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().ok())
        .collect();
    let away = asked
        .iter()
        .find_map(|(url, answer)| Some((url, answer.as_ref().err()?)));
    let Some(first) = answered.first() else {
        let reason = away
            .map(|(url, reason)| format!("{url}: {reason}"))
            .unwrap_or_default();
        return Finding::failed(
            CHECK,
            format!("no member answers ({reason})"),
            "see that it runs and that ORB_ETCD_ENDPOINTS (and ORB_ETCD__CA, for https) are right",
        );
    };
    let found = format!(
        "{} of {} members answer, version {}",
        answered.len(),
        asked.len(),
        first.version
    );
    if !answered
        .iter()
        .any(|member| member.decides && member.has_leader)
    {
        let fix = "start its other members: without a majority nobody leads";
        return Finding::failed(CHECK, format!("{found}, but they are no majority"), fix);
    }
    if let Some(alarm) = answered.iter().find_map(|member| member.alarms.first()) {
        return Finding::failed(
            CHECK,
            format!("{found}; alarm: {alarm}"),
            "see `etcdctl alarm list`; free its space and disarm",
        );
    }
    if let Some((url, reason)) = away {
        return Finding::warning(
            CHECK,
            format!("{found}; {url} does not: {reason}"),
            "start it, or take it out of ORB_ETCD_ENDPOINTS",
        );
    }
    Finding::ok(CHECK, found)
}

/// As the coordinator's; the error is the variable and what is wrong with its file.
fn tls_options(config: &Config) -> Result<TlsOptions, (&'static str, String)> {
    let etcd = &config.etcd;
    let read = |variable: &'static str, path: &Option<std::path::PathBuf>| {
        let path = path.as_ref().map(std::fs::read);
        path.transpose()
            .map_err(|error| (variable, error.to_string()))
    };
    let ca = read("ORB_ETCD__CA", &etcd.ca)?;
    let certificate = read("ORB_ETCD__CERTIFICATE", &etcd.certificate)?;
    let key = read("ORB_ETCD__KEY", &etcd.key)?;
    let mut options = TlsOptions::new();
    options = match ca {
        Some(ca) => options.ca_certificate(Certificate::from_pem(ca)),
        None => options.with_native_roots(),
    };
    if let Some((certificate, key)) = certificate.zip(key) {
        options = options.identity(Identity::from_pem(certificate, key));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Outcome;

    fn well() -> Member {
        Member {
            version: "3.4".into(),
            has_leader: true,
            decides: true,
            alarms: Vec::new(),
        }
    }

    fn outcome(answers: Vec<Option<Member>>) -> Outcome {
        let url: HttpUrl = "http://127.0.0.1:2379".parse().unwrap();
        let asked = answers
            .into_iter()
            .map(|answer| (&url, answer.ok_or("refused".to_owned())));
        judge(&asked.collect::<Vec<_>>()).outcome
    }

    #[test]
    fn a_cluster_is_as_well_as_its_majority() {
        assert_eq!(outcome(vec![Some(well()), Some(well())]), Outcome::Ok);
        assert_eq!(outcome(vec![Some(well()), None]), Outcome::Warning);
        assert_eq!(outcome(vec![None, None]), Outcome::Failed);
        let alone = Member {
            has_leader: false,
            decides: false,
            ..well()
        };
        assert_eq!(outcome(vec![Some(alone), None]), Outcome::Failed);
        let full = Member {
            alarms: vec!["NOSPACE".into()],
            ..well()
        };
        assert_eq!(outcome(vec![Some(full)]), Outcome::Failed);
    }
}
