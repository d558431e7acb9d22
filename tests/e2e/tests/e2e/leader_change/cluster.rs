//! Two schedulers with what they share, a worker and a gateway, each a process of its own.

use std::time::Duration;

use discord_sim::RecordEvent;
use orb_cluster::{Etcd, Postgres, free_port};
use orb_e2e::{API_TOKEN, Api, Environment, OrbProcess, Surroundings, until};

/// A debug build that starts beside six other processes.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Dropped from the top: processes before what they need.
pub(crate) struct Cluster {
    /// Which of them leads is found in their logs.
    pub(crate) schedulers: [OrbProcess; 2],
    _worker: OrbProcess,
    _gateway: OrbProcess,
    /// To the gateway.
    pub(crate) api: Api,
    pub(crate) surroundings: Surroundings,
    _etcd: Etcd,
    _postgres: Postgres,
}

impl Cluster {
    /// The first scheduler leads; worker and account are connected to it.
    pub(crate) async fn start(surroundings: Surroundings) -> Self {
        let etcd = Etcd::start().await.unwrap();
        let postgres = Postgres::start().await.unwrap();
        let environment = surroundings
            .environment()
            .with("ORB_ETCD_ENDPOINTS", etcd.endpoint())
            .with("ORB_WORKER_ID", "worker-1");
        let scheduler = |environment: Environment| {
            let environment = environment.with("ORB_DATABASE_URL", postgres.url()).with(
                "ORB_GRPC_ADDR",
                format!("127.0.0.1:{}", free_port().unwrap()),
            );
            OrbProcess::start("scheduler", &environment)
        };
        let first = scheduler(environment.clone());
        says(&first, "leading").await;
        let mut second = scheduler(environment.clone());
        second.grpc_addr().await;
        let worker = OrbProcess::start("worker", &environment);
        let mut gateway = OrbProcess::start("gateway", &environment);
        let api = Api::new(gateway.http_addr().await, API_TOKEN);
        says(&first, "worker attached").await;
        says(&first, "account connected").await;
        Self {
            schedulers: [first, second],
            _worker: worker,
            _gateway: gateway,
            api,
            surroundings,
            _etcd: etcd,
            _postgres: postgres,
        }
    }

    /// How often something happened at Discord.
    pub(crate) fn count(&self, wanted: impl Fn(&RecordEvent) -> bool) -> usize {
        let record = self.surroundings.discord.record();
        record.iter().filter(|entry| wanted(&entry.event)).count()
    }
}

/// Waits for a line of its log.
pub(crate) async fn says(process: &OrbProcess, line: &str) {
    says_again(process, line, 1).await;
}

/// Waits until its log has so many such lines.
pub(crate) async fn says_again(process: &OrbProcess, line: &str, times: usize) {
    until(&format!("'{line}' in a log"), STARTS_WITHIN, async || {
        (process.log().matches(line).count() >= times).then_some(())
    })
    .await;
}
