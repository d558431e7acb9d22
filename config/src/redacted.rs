//! The configuration as one line a key, for the log at start.

use std::fmt::Display;

use secrecy::ExposeSecret;
use url::Url;

use crate::{Config, Timing};

impl Config {
    /// Key and value of what is in force, without secrets: tokens are counted, URLs are shown as
    /// their origins. Unset keys and time-outs at their default are left out.
    pub fn redacted(&self) -> Vec<(String, String)> {
        let mut lines = Lines(Vec::new());
        lines.add("http.addr", self.http.addr);
        lines.add("http.tokens", count(self.http.tokens.len()));
        lines.add_some("http.public_url", self.http.public_url.as_ref());
        lines.add("grpc.addr", self.grpc.addr);
        lines.add("database.url", self.database_without_secret());
        for endpoint in &self.etcd.endpoints {
            lines.add("etcd.endpoints", endpoint);
        }
        lines.add_some("scheduler.url", self.scheduler.url.as_ref());
        lines.add_some("scheduler.advertise", self.scheduler.advertise.as_ref());
        lines.add("scheduler.http_addr", self.scheduler.http_addr);
        let tls = &self.tls;
        let files = [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)];
        for (name, path) in files {
            let path = path.as_ref().map(|path| path.display());
            lines.add_some(&format!("tls.{name}"), path.as_ref());
        }
        lines.add_some("tls.server_name", tls.server_name.as_ref());
        lines.add("worker.id", &self.worker.id);
        lines.add("worker.media_addr", self.worker.media_addr);
        lines.add_some("worker.media_url", self.worker.media_url.as_ref());
        lines.add_some(
            "worker.capacity_millicores",
            self.worker.capacity_millicores.as_ref(),
        );
        if self.worker.golive.is_on() {
            lines.add("worker.golive", "accept-account-risk");
            let kbits = self.worker.golive_kbits_per_second;
            lines.add("worker.golive_kbits_per_second", kbits);
            lines.add("party.go_live", self.party.go_live);
            let tokens = count(self.discord.golive_tokens.len());
            lines.add("discord.golive_tokens", tokens);
        }
        lines.add_some("jellyfin.url", self.jellyfin.url.as_ref());
        lines.add(
            "jellyfin.api_key",
            if self.jellyfin.api_key.is_some() {
                "set"
            } else {
                "not set"
            },
        );
        lines.add_some("jellyfin.user", self.jellyfin.user.as_ref());
        for origin in &self.jellyfin.allowed_origins {
            lines.add("jellyfin.allowed_origins", origin);
        }
        lines.add("discord.tokens", count(self.discord.tokens.len()));
        lines.add_some("discord.api_url", self.discord.api_url.as_ref());
        if let Some(ca) = &self.discord.ca {
            lines.add("discord.ca", ca.display());
        }
        lines.add("log.filter", &self.log.filter);
        lines.add_some("otlp.endpoint", self.otlp.endpoint.as_ref());

        let defaults = Timing::default().entries();
        for (entry, default) in self.timing.entries().into_iter().zip(defaults) {
            if entry != default {
                lines.add(&format!("timing.{}", entry.0), format!("{:?}", entry.1));
            }
        }
        lines.0
    }

    /// A file's path is shown, of a server only kind and host.
    fn database_without_secret(&self) -> String {
        let url = self.database.url.expose_secret();
        if url.starts_with("sqlite:") {
            return url.split('?').next().unwrap_or_default().to_owned();
        }
        Url::parse(url).map_or_else(
            |_| "not a URL".to_owned(),
            |url| format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
        )
    }
}

struct Lines(Vec<(String, String)>);

impl Lines {
    fn add(&mut self, key: &str, value: impl Display) {
        self.0.push((key.to_owned(), value.to_string()));
    }

    fn add_some(&mut self, key: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }
}

fn count(secrets: usize) -> String {
    match secrets {
        0 => "not set".to_owned(),
        n => format!("{n} set"),
    }
}
