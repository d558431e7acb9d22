//! What each role needs beyond well-formed values.

use secrecy::ExposeSecret;

use crate::{Config, Error, HttpUrl, Problem, VoiceDriver};

impl Config {
    /// `orb up`: API tokens, bot tokens, a database. All that is missing is named at once.
    pub fn for_up(&self) -> Result<(), Error> {
        finish([
            self.needs_api_tokens(),
            self.needs_discord_tokens(),
            self.needs_database(),
            self.needs_worker_id(),
            self.needs_whole_tls(),
            self.needs_golive_for_its_tokens(),
            self.needs_golive_for_parties(),
            self.needs_golive_tokens(),
            self.needs_tokens_apart(),
            self.needs_own_driver(),
        ])
    }

    /// `orb demo`: nothing, for what is not configured is simulated; what is set must be usable.
    pub fn for_demo(&self) -> Result<(), Error> {
        finish([
            self.needs_worker_id(),
            self.needs_golive_for_its_tokens(),
            self.needs_golive_for_parties(),
            self.needs_tokens_apart(),
            self.needs_own_driver(),
        ])
    }

    /// `orb gateway`: API tokens and a scheduler.
    pub fn for_gateway(&self) -> Result<(), Error> {
        finish([
            self.needs_api_tokens(),
            self.needs_scheduler(),
            self.needs_whole_etcd_identity(),
            self.needs_whole_tls(),
            self.needs_fitting_scheme("scheduler.url", self.scheduler.url.as_ref()),
        ])
    }

    /// `orb scheduler`: bot tokens and a database; with etcd one that several schedulers can share, and an address.
    pub fn for_scheduler(&self) -> Result<(), Error> {
        finish([
            self.needs_discord_tokens(),
            self.needs_database(),
            self.needs_shared_database(),
            self.needs_advertised_address(),
            self.needs_whole_etcd_identity(),
            self.needs_whole_tls(),
            self.needs_fitting_scheme("scheduler.advertise", self.scheduler.advertise.as_ref()),
            self.needs_golive_for_its_tokens(),
            self.needs_golive_for_parties(),
            self.needs_golive_tokens(),
            self.needs_tokens_apart(),
        ])
    }

    /// `orb worker`: a scheduler and a name.
    pub fn for_worker(&self) -> Result<(), Error> {
        finish([
            self.needs_scheduler(),
            self.needs_worker_id(),
            self.needs_whole_etcd_identity(),
            self.needs_whole_tls(),
            self.needs_fitting_scheme("scheduler.url", self.scheduler.url.as_ref()),
            self.needs_fitting_scheme("worker.media_url", self.worker.media_url.as_ref()),
            self.needs_own_driver(),
        ])
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

    fn needs_golive_for_its_tokens(&self) -> Option<Problem> {
        let golive = self.worker.golive.is_on();
        (!golive && !self.discord.golive_tokens.is_empty()).then(|| {
            Problem::new(
                "discord.golive_tokens",
                "user accounts are not used without ORB_GOLIVE; read docs/golive.md and set \
                 ORB_GOLIVE=accept-account-risk, or take the tokens away",
            )
        })
    }

    fn needs_golive_for_parties(&self) -> Option<Problem> {
        (!self.worker.golive.is_on() && self.party.go_live).then(|| {
            Problem::new(
                "party.go_live",
                "no party has a picture in its voice channel without ORB_GOLIVE; read docs/golive.md and set \
                 ORB_GOLIVE=accept-account-risk, or set this to false",
            )
        })
    }

    fn needs_golive_tokens(&self) -> Option<Problem> {
        (self.worker.golive.is_on() && self.discord.golive_tokens.is_empty()).then(|| {
            Problem::new(
                "discord.golive_tokens",
                "ORB_GOLIVE is on and there is no account that could send a picture, for a bot cannot; \
                 give the token of a user account, or unset ORB_GOLIVE",
            )
        })
    }

    fn needs_tokens_apart(&self) -> Option<Problem> {
        let discord = &self.discord;
        let mut bots = discord.tokens.iter().map(ExposeSecret::expose_secret);
        bots.any(|bot| {
            let users = discord.golive_tokens.iter();
            users.map(ExposeSecret::expose_secret).any(|user| user == bot)
        })
        .then(|| {
            Problem::new(
                "discord.golive_tokens",
                "one of these is among ORB_DISCORD_TOKENS, too; a bot's token goes there and a user account's here",
            )
        })
    }

    fn needs_own_driver(&self) -> Option<Problem> {
        let songbird = self.worker.voice_driver == VoiceDriver::Songbird;
        (self.worker.golive.is_on() && songbird).then(|| {
            Problem::new(
                "worker.voice_driver",
                "songbird sends no pictures; with ORB_GOLIVE set this to orb, or leave it unset",
            )
        })
    }

    fn needs_scheduler(&self) -> Option<Problem> {
        (self.scheduler.url.is_none() && self.etcd.endpoints.is_empty()).then(|| {
            Problem::new(
                "scheduler.url",
                "no scheduler is named; set its gRPC address, such as http://127.0.0.1:50051, or ORB_ETCD_ENDPOINTS",
            )
        })
    }

    fn needs_database(&self) -> Option<Problem> {
        let url = self.database.url.expose_secret();
        let known = ["sqlite:", "postgres:", "postgresql:"];
        (!known.iter().any(|kind| url.starts_with(kind))).then(|| {
            Problem::new(
                "database.url",
                "no store speaks this kind of URL; give sqlite://<path of a file> or postgres://<server>/<name>",
            )
        })
    }

    fn needs_shared_database(&self) -> Option<Problem> {
        let is_file = self.database.url.expose_secret().starts_with("sqlite:");
        (!self.etcd.endpoints.is_empty() && is_file).then(|| {
            Problem::new(
                "database.url",
                "with ORB_ETCD_ENDPOINTS there are several schedulers, and SQLite is for one; \
                 give postgres://<server>/<name>",
            )
        })
    }

    fn needs_advertised_address(&self) -> Option<Problem> {
        let addr = self.grpc.addr;
        let unknown =
            (addr.ip().is_unspecified() || addr.port() == 0) && self.scheduler.advertise.is_none();
        (!self.etcd.endpoints.is_empty() && unknown).then(|| {
            Problem::new(
                "scheduler.advertise",
                "ORB_GRPC_ADDR does not say where it is reached; set the address at which gateways and workers reach it, such as \
                 http://10.0.0.3:50051",
            )
        })
    }

    fn needs_whole_etcd_identity(&self) -> Option<Problem> {
        (self.etcd.certificate.is_some() != self.etcd.key.is_some()).then(|| {
            Problem::new(
                "etcd.key",
                "a certificate goes with its key; set both ORB_ETCD__CERTIFICATE and ORB_ETCD__KEY, or neither",
            )
        })
    }

    fn needs_whole_tls(&self) -> Option<Problem> {
        let tls = &self.tls;
        let files = [
            ("tls.ca", tls.ca.is_none()),
            ("tls.cert", tls.cert.is_none()),
            ("tls.key", tls.key.is_none()),
        ];
        let (missing, _) = files.into_iter().find(|(_, is_missing)| *is_missing)?;
        tls.is_wanted().then(|| {
            Problem::new(
                missing,
                "mutual TLS takes three files; set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY, or none of ORB_TLS__*",
            )
        })
    }

    /// The scheme says what is spoken there: who reads a URL has to be right about it.
    fn needs_fitting_scheme(&self, key: &str, url: Option<&HttpUrl>) -> Option<Problem> {
        let is_https = url?.as_url().scheme() == "https";
        match (self.tls.is_wanted(), is_https) {
            (true, false) => Some(Problem::new(
                key,
                "with ORB_TLS__CA the roles speak TLS to each other; write https:// here",
            )),
            (false, true) => Some(Problem::new(
                key,
                "https:// needs certificates; set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY, or write http://",
            )),
            _ => None,
        }
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
