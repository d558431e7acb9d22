//! The environment as a layer of the configuration: which variable sets which key.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{
    Error as FigmentError, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use crate::{CONFIG_VARIABLE, timing::Timing};

/// Every key of every section but `[timing]`, whose keys are [`Timing::KEYS`].
/// `known_keys_are_the_fields` keeps it true.
pub(crate) const KEYS: &[(&str, &[&str])] = &[
    ("http", &["addr", "tokens", "public_url"]),
    ("grpc", &["addr"]),
    ("database", &["url"]),
    ("etcd", &["endpoints", "ca", "certificate", "key"]),
    ("scheduler", &["url", "advertise", "token", "http_addr"]),
    ("tls", &["ca", "cert", "key", "server_name"]),
    (
        "worker",
        &[
            "id",
            "media_addr",
            "media_url",
            "capacity_millicores",
            "voice_driver",
            "golive",
            "golive_kbits_per_second",
        ],
    ),
    ("party", &["at_queue_end", "go_live"]),
    (
        "jellyfin",
        &["url", "api_key", "allowed_origins", "user", "rewrite"],
    ),
    ("discord", &["tokens", "golive_tokens", "api_url", "ca"]),
    ("log", &["filter", "format"]),
    ("otlp", &["endpoint", "sample_ratio"]),
];

/// The variables that operators and tests rely on, beside the long form of each key.
const SHORT: &[(&str, &str)] = &[
    ("ORB_HTTP_ADDR", "http.addr"),
    ("ORB_API_TOKENS", "http.tokens"),
    ("ORB_GRPC_ADDR", "grpc.addr"),
    ("ORB_DATABASE_URL", "database.url"),
    ("ORB_ETCD_ENDPOINTS", "etcd.endpoints"),
    ("ORB_SCHEDULER_URL", "scheduler.url"),
    ("ORB_WORKER_ID", "worker.id"),
    ("ORB_VOICE_DRIVER", "worker.voice_driver"),
    ("ORB_GOLIVE", "worker.golive"),
    ("ORB_JELLYFIN_URL", "jellyfin.url"),
    ("ORB_JELLYFIN_API_KEY", "jellyfin.api_key"),
    ("ORB_DISCORD_TOKENS", "discord.tokens"),
    ("ORB_DISCORD_API_URL", "discord.api_url"),
    ("ORB_DISCORD_CA", "discord.ca"),
    ("ORB_LOG", "log.filter"),
];

/// Names that other programs know, too; the long form of the key overrides them.
const STANDARD: &[(&str, &str)] = &[("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp.endpoint")];

/// This process's environment, without the variables that are not Unicode.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The variable that sets `key` (`section.name`), the short one where there is one.
pub(crate) fn variable_of(key: &str) -> Option<String> {
    if let Some((variable, _)) = SHORT.iter().find(|(_, short)| *short == key) {
        return Some((*variable).to_owned());
    }
    let (section, name) = key.split_once('.')?;
    is_known(section, name).then(|| {
        let (section, name) = (section.to_uppercase(), name.to_uppercase());
        format!("ORB_{section}__{name}")
    })
}

fn is_known(section: &str, name: &str) -> bool {
    if section == "timing" {
        return Timing::KEYS.contains(&name);
    }
    KEYS.iter()
        .any(|(known, names)| *known == section && names.contains(&name))
}

/// What the environment says.
pub(crate) struct Layer {
    pub(crate) values: Values,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

/// Sections, then keys. Values stay text: a token of digits is no number.
pub(crate) struct Values(BTreeMap<String, BTreeMap<String, String>>);

impl Provider for Values {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, FigmentError> {
        let sections = self.0.iter().map(|(section, keys)| {
            let keys: Dict = keys
                .iter()
                .map(|(name, text)| (name.clone(), Value::from(text.clone())))
                .collect();
            (section.clone(), Value::from(keys))
        });
        Ok(Map::from([(Profile::Default, sections.collect::<Dict>())]))
    }
}

pub(crate) fn read(environment: impl IntoIterator<Item = (String, String)>) -> Layer {
    let mut standard = Vec::new();
    let mut long = Vec::new();
    let mut short = Vec::new();
    let mut config_file = None;
    let mut warnings = Vec::new();
    for (variable, text) in environment {
        if text.trim().is_empty() {
            continue;
        }
        if let Some((_, key)) = STANDARD.iter().find(|(name, _)| *name == variable) {
            standard.push(((*key).to_owned(), text));
        } else if variable == CONFIG_VARIABLE {
            config_file = Some(PathBuf::from(text));
        } else if let Some((_, key)) = SHORT.iter().find(|(name, _)| *name == variable) {
            short.push(((*key).to_owned(), text));
        } else if let Some(key) = long_key(&variable) {
            long.push((key, text));
        } else if variable.starts_with("ORB_") {
            warnings.push(format!("{variable} is set, but means nothing here"));
        }
    }
    warnings.sort();

    // Short names last: they override the long form of the same key, and that the names of others.
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (key, text) in standard.into_iter().chain(long).chain(short) {
        if let Some((section, name)) = key.split_once('.') {
            let keys = sections.entry(section.to_owned()).or_default();
            keys.insert(name.to_owned(), text);
        }
    }
    Layer {
        values: Values(sections),
        config_file,
        warnings,
    }
}

/// `ORB_HTTP__PUBLIC_URL` to `http.public_url`, when there is such a key.
fn long_key(variable: &str) -> Option<String> {
    let (section, name) = variable.strip_prefix("ORB_")?.split_once("__")?;
    let (section, name) = (section.to_lowercase(), name.to_lowercase());
    is_known(&section, &name).then(|| format!("{section}.{name}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use figment::{
        Figment,
        error::Kind,
        providers::{Format, Toml},
    };

    use super::*;
    use crate::Config;

    #[test]
    fn known_keys_are_the_fields() {
        let sections = KEYS.iter().copied().chain([("timing", Timing::KEYS)]);
        for (section, names) in sections {
            let toml = format!("[{section}]\nno_such_key = 1\n");
            let errors = Figment::from(Toml::string(&toml))
                .extract::<Config>()
                .unwrap_err();
            let Some(Kind::UnknownField(_, fields)) = errors.into_iter().next().map(|e| e.kind)
            else {
                panic!("an unknown key of [{section}] is refused");
            };
            assert_eq!(fields, names, "KEYS of [{section}]");
        }
    }

    #[test]
    fn short_names_lead_to_keys() {
        for (variable, key) in SHORT.iter().chain(STANDARD) {
            let (section, name) = key.split_once('.').unwrap();
            assert!(is_known(section, name), "{variable} leads to {key}");
        }
    }
}
