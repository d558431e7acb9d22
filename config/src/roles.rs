//! What each role needs beyond well-formed values.

use secrecy::ExposeSecret;

use crate::{Config, Error, Problem};

impl Config {
    /// `orb up`: API tokens, bot tokens, a database. All that is missing is named at once.
    pub fn for_up(&self) -> Result<(), Error> {
        finish([
            self.needs_api_tokens(),
            self.needs_discord_tokens(),
            self.needs_database(),
            self.needs_worker_id(),
        ])
    }

    /// `orb demo`: nothing, for what is not configured is simulated; what is set must be usable.
    pub fn for_demo(&self) -> Result<(), Error> {
        finish([self.needs_worker_id()])
    }

    /// `orb gateway`: API tokens and a scheduler.
    pub fn for_gateway(&self) -> Result<(), Error> {
        finish([self.needs_api_tokens(), self.needs_scheduler()])
    }

    /// `orb scheduler`: bot tokens and a database.
    pub fn for_scheduler(&self) -> Result<(), Error> {
        finish([self.needs_discord_tokens(), self.needs_database()])
    }

    /// `orb worker`: a scheduler and a name.
    pub fn for_worker(&self) -> Result<(), Error> {
        finish([self.needs_scheduler(), self.needs_worker_id()])
    }

    fn needs_api_tokens(&self) -> Option<Problem> {
        self.http.tokens.is_empty().then(|| {
            Problem::new(
                "http.tokens",
                "no API token is set; choose one, any text, and give it to the clients too",
            )
        })
    }

    fn needs_discord_tokens(&self) -> Option<Problem> {
        self.discord.tokens.is_empty().then(|| {
            Problem::new(
                "discord.tokens",
                "no bot token is set; copy one from the Bot page of \
                 https://discord.com/developers/applications, or try `orb demo`, which needs none",
            )
        })
    }

    fn needs_scheduler(&self) -> Option<Problem> {
        self.scheduler.url.is_none().then(|| {
            Problem::new(
                "scheduler.url",
                "no scheduler is named; set its gRPC address, such as http://127.0.0.1:50051",
            )
        })
    }

    fn needs_database(&self) -> Option<Problem> {
        let url = self.database.url.expose_secret();
        (!url.starts_with("sqlite:")).then(|| {
            Problem::new(
                "database.url",
                "this version stores in SQLite only; give sqlite://<path of a file>",
            )
        })
    }

    fn needs_worker_id(&self) -> Option<Problem> {
        self.worker.id.trim().is_empty().then(|| {
            Problem::new(
                "worker.id",
                "the worker has no name; set one, or leave it unset for the host name",
            )
        })
    }
}

fn finish<const N: usize>(found: [Option<Problem>; N]) -> Result<(), Error> {
    let problems: Vec<_> = found.into_iter().flatten().collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid { problems })
}
