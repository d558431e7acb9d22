//! Orb as one installs it: `orb up`, or its roles apart.

use std::time::Duration;

use orb_cluster::free_port;

use crate::api::Api;
use crate::environment::Environment;
use crate::orb_process::OrbProcess;
use crate::surroundings::{API_TOKEN, Surroundings};
use crate::waiting::until;

/// Up to the account's connection and the worker's attachment.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// `orb up` in its surroundings, ready for calls.
pub struct Installation {
    /// The one process. Before the surroundings: it goes first.
    pub orb: OrbProcess,
    /// To it.
    pub api: Api,
    /// Around it.
    pub surroundings: Surroundings,
}

impl Installation {
    /// Starts `orb up` and waits until it is ready.
    pub async fn up(surroundings: Surroundings) -> Self {
        let environment = surroundings.environment();
        Self::up_with(surroundings, environment).await
    }

    /// The same with an environment of the test's own.
    pub async fn up_with(surroundings: Surroundings, environment: Environment) -> Self {
        let (orb, api) = up(&environment).await;
        Self {
            orb,
            api,
            surroundings,
        }
    }

    /// Starts `orb up` anew, in the same surroundings and with the same database.
    pub async fn start_again(&mut self) {
        (self.orb, self.api) = up(&self.surroundings.environment()).await;
    }
}

async fn up(environment: &Environment) -> (OrbProcess, Api) {
    let mut orb = OrbProcess::start("up", environment);
    let api = Api::new(orb.http_addr().await, API_TOKEN);
    ready(&api).await;
    (orb, api)
}

async fn ready(api: &Api) {
    until("/readyz to be 200", READY_WITHIN, async || {
        (api.get("/readyz").await.code == 200).then_some(())
    })
    .await;
}

/// The roles as processes of their own, ready for calls.
pub struct Roles {
    /// `orb gateway`.
    pub gateway: OrbProcess,
    /// `orb worker`.
    pub worker: OrbProcess,
    /// `orb scheduler`.
    pub scheduler: OrbProcess,
    /// To the gateway.
    pub api: Api,
    /// Around them.
    pub surroundings: Surroundings,
    environment: Environment,
}

impl Roles {
    /// Starts all three, and waits until a call finds account and worker.
    pub async fn start(surroundings: Surroundings) -> Self {
        let environment = surroundings.environment();
        Self::start_with(surroundings, environment).await
    }

    /// The same with an environment of the test's own, but for what makes them find each other.
    pub async fn start_with(surroundings: Surroundings, environment: Environment) -> Self {
        // It has to come back to it.
        let grpc = free_port().expect("there are free ports");
        let scheme = if environment.has("ORB_TLS__CA") {
            "https"
        } else {
            "http"
        };
        let environment = environment
            .with("ORB_GRPC_ADDR", format!("127.0.0.1:{grpc}"))
            .with("ORB_SCHEDULER_URL", format!("{scheme}://127.0.0.1:{grpc}"))
            .with("ORB_WORKER_ID", "worker-1");
        let mut scheduler = OrbProcess::start("scheduler", &environment);
        scheduler.grpc_addr().await;
        let worker = OrbProcess::start("worker", &environment);
        let mut gateway = OrbProcess::start("gateway", &environment);
        let api = Api::new(gateway.http_addr().await, API_TOKEN);
        ready(&api).await;
        Self {
            gateway,
            worker,
            scheduler,
            api,
            surroundings,
            environment,
        }
    }

    /// Starts the worker anew, under its old name.
    pub fn start_worker_again(&mut self) {
        self.worker = OrbProcess::start("worker", &self.environment);
    }

    /// Starts one more worker, under a name of its own.
    pub fn start_worker(&self, name: &str) -> OrbProcess {
        let environment = self.environment.clone().with("ORB_WORKER_ID", name);
        OrbProcess::start("worker", &environment)
    }

    /// Starts the scheduler anew, on its old port.
    pub async fn start_scheduler_again(&mut self) {
        self.scheduler = OrbProcess::start("scheduler", &self.environment);
        self.scheduler.grpc_addr().await;
    }
}
