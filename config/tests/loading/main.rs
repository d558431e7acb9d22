//! The layers, the names and the refusals, from the outside.
#![allow(clippy::unwrap_used)]

mod golive;

use std::{io::Write, time::Duration};

use orb_config::{AtQueueEnd, Config, Error, GoLive, Loaded, VoiceDriver};
use secrecy::ExposeSecret;

fn from_env(pairs: &[(&str, &str)]) -> Result<Loaded, Error> {
    Config::load(None, owned(pairs))
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn from_toml(toml: &str, pairs: &[(&str, &str)]) -> Result<Loaded, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    Config::load(Some(file.path()), owned(pairs))
}

fn refusal(result: Result<Loaded, Error>) -> String {
    result.map(|loaded| loaded.config).unwrap_err().to_string()
}

#[test]
fn defaults() {
    let loaded = from_env(&[]).unwrap();
    let config = loaded.config;
    assert_eq!(config.http.addr.to_string(), "127.0.0.1:8080");
    assert_eq!(config.grpc.addr.to_string(), "127.0.0.1:50051");
    assert_eq!(config.party.at_queue_end, AtQueueEnd::Wait);
    assert_eq!(config.worker.golive, GoLive::Off);
    assert_eq!(config.worker.golive_kbits_per_second, 6_000);
    assert!(!config.party.go_live);
    assert_eq!(config.database.url.expose_secret(), "sqlite://orb.db");
    assert!(!config.worker.id.is_empty());
    assert!(config.http.tokens.is_empty());
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn later_layers_win() {
    let toml = "[http]\naddr = '127.0.0.1:1'\ntokens = ['file', 'more']\n[grpc]\naddr = '127.0.0.1:1'\n[log]\nfilter = 'warn'\n";
    let env = [
        ("ORB_HTTP__ADDR", "127.0.0.1:2"),
        ("ORB_GRPC__ADDR", "127.0.0.1:2"),
        ("ORB_HTTP_ADDR", "127.0.0.1:3"),
        ("ORB_API_TOKENS", "a, 12345 ,,b"),
    ];
    let config = from_toml(toml, &env).unwrap().config;
    assert_eq!(config.http.addr.port(), 3, "the short name wins");
    assert_eq!(
        config.grpc.addr.port(),
        2,
        "the long name wins over the file"
    );
    assert_eq!(config.log.filter, "warn", "the file wins over the default");
    let tokens: Vec<_> = config
        .http
        .tokens
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(
        tokens,
        ["a", "12345", "b"],
        "a list is replaced, not joined"
    );
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[worker]\nid = 'w7'\ncapacity_millicores = 1500\n")
        .unwrap();
    let path = file.path().to_str().unwrap();
    let config = from_env(&[("ORB_CONFIG", path)]).unwrap().config;
    assert_eq!(config.worker.id, "w7");
    assert_eq!(config.worker.capacity_millicores, Some(1500));
}

#[test]
fn every_short_name_is_understood() {
    let loaded = from_env(&[
        ("ORB_HTTP_ADDR", "0.0.0.0:80"),
        ("ORB_API_TOKENS", "x"),
        ("ORB_DATABASE_URL", "sqlite:///var/lib/orb/orb.db"),
        ("ORB_GRPC_ADDR", "[::1]:5"),
        ("ORB_SCHEDULER_URL", "http://scheduler:50051"),
        ("ORB_WORKER_ID", "w1"),
        ("ORB_JELLYFIN_URL", "http://jellyfin:8096"),
        ("ORB_JELLYFIN_API_KEY", "123"),
        ("ORB_JELLYFIN__USER", "2001"),
        ("ORB_JELLYFIN__ALLOWED_ORIGINS", "http://a:1, https://b"),
        ("ORB_JELLYFIN__REWRITE", "http://jf:1=http://127.0.0.1:2"),
        ("ORB_DISCORD_TOKENS", "t1,t2"),
        ("ORB_DISCORD_API_URL", "http://127.0.0.1:9"),
        ("ORB_DISCORD_CA", "/tmp/ca.pem"),
        ("ORB_LOG", "debug"),
        ("ORB_GOLIVE", "accept-account-risk"),
        ("ORB_DISCORD__GOLIVE_TOKENS", "u1, u2"),
        ("ORB_PARTY__GO_LIVE", "true"),
        ("ORB_WORKER__GOLIVE_KBITS_PER_SECOND", "2500"),
        ("ORB_VOICE_DRIVER", "songbird"),
        ("ORB_PARTY__AT_QUEUE_END", "leave"),
        ("ORB_TIMING__CALL_WAIT", "300ms"),
        ("ORB_WORKER__CAPACITY_MILLICORES", "2000"),
        ("ORB_TLS__SERVER_NAME", "orb.internal"),
        ("ORB_TIMING__HTTP2_KEEPALIVE_INTERVAL", "1s"),
    ])
    .unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let config = loaded.config;
    let origins: Vec<_> = config
        .jellyfin
        .allowed_origins
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(origins, ["http://a:1", "https://b"]);
    assert_eq!(
        config.jellyfin.rewrite.unwrap().as_str(),
        "http://jf:1=http://127.0.0.1:2"
    );
    assert_eq!(config.jellyfin.user.as_deref(), Some("2001"));
    assert_eq!(config.jellyfin.api_key.unwrap().expose_secret(), "123");
    assert_eq!(config.discord.tokens.len(), 2);
    assert_eq!(config.timing.call_wait, Duration::from_millis(300));
    assert_eq!(config.worker.capacity_millicores, Some(2000));
    assert_eq!(config.tls.server_name(), "orb.internal");
    assert_eq!(
        config.timing.http2_keepalive_interval,
        Duration::from_secs(1)
    );
    assert_eq!(config.worker.voice_driver, VoiceDriver::Songbird);
    assert_eq!(config.worker.golive, GoLive::AcceptAccountRisk);
    assert_eq!(config.discord.golive_tokens.len(), 2);
    assert!(config.party.go_live);
    assert_eq!(config.worker.golive_kbits_per_second, 2_500);
    assert_eq!(config.party.at_queue_end, AtQueueEnd::Leave);
}

#[test]
fn what_means_nothing_is_a_warning_and_what_is_empty_is_unset() {
    let loaded = from_env(&[
        ("ORB_HTP_ADDR", "127.0.0.1:1"),
        ("ORB_HTTP__NOPE", "secret-value"),
        ("ORB_JELLYFIN_URL", ""),
        ("ORB_DISCORD_API_URL", "http://discord-sim:4000"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert!(loaded.config.jellyfin.url.is_none());
    assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("ORB_HTP_ADDR"));
    assert!(loaded.warnings[1].contains("ORB_HTTP__NOPE"));
    assert!(loaded.warnings[2].contains("ORB_DISCORD_API_URL"));
    assert!(!format!("{:?}", loaded.warnings).contains("secret-value"));
}

#[test]
fn refusals_name_the_variable_and_the_fix() {
    let table = [
        (
            ("ORB_HTTP_ADDR", "localhost"),
            "ORB_HTTP_ADDR (http.addr in the file): expected an IP address and a port",
        ),
        (("ORB_JELLYFIN_URL", "jellyfin:8096"), "ORB_JELLYFIN_URL"),
        (
            ("ORB_JELLYFIN__REWRITE", "a"),
            "ORB_JELLYFIN__REWRITE (jellyfin.rewrite in the file): expected from=to",
        ),
        (
            ("ORB_GOLIVE", "on"),
            "ORB_GOLIVE (worker.golive in the file): expected off or accept-account-risk",
        ),
        (
            ("ORB_PARTY__GO_LIVE", "yes"),
            "ORB_PARTY__GO_LIVE (party.go_live in the file): expected true or false",
        ),
        (
            ("ORB_VOICE_DRIVER", "discord"),
            "ORB_VOICE_DRIVER (worker.voice_driver in the file): expected orb or songbird",
        ),
        (
            ("ORB_PARTY__AT_QUEUE_END", "stay"),
            "ORB_PARTY__AT_QUEUE_END (party.at_queue_end in the file): expected wait or leave",
        ),
        (
            ("ORB_TIMING__CALL_WAIT", "5"),
            "ORB_TIMING__CALL_WAIT (timing.call_wait in the file): expected a duration",
        ),
        (
            ("ORB_TIMING__SUSPECT_AFTER", "1s"),
            "ORB_TIMING__SUSPECT_AFTER",
        ),
        (("ORB_LOG__FORMAT", "xml"), "ORB_LOG__FORMAT"),
        (
            ("ORB_WORKER__CAPACITY_MILLICORES", "-1"),
            "expected a whole number",
        ),
        (
            ("ORB_WORKER__GOLIVE_KBITS_PER_SECOND", "349"),
            "ORB_WORKER__GOLIVE_KBITS_PER_SECOND (worker.golive_kbits_per_second in the file): \
             expected a whole number of kbit/s, from 350 to 12000",
        ),
        (
            ("ORB_WORKER__GOLIVE_KBITS_PER_SECOND", "12001"),
            "from 350 to 12000",
        ),
        (
            ("ORB_WORKER__GOLIVE_KBITS_PER_SECOND", "6 Mbit/s"),
            "from 350 to 12000",
        ),
        (
            ("ORB_OTLP__SAMPLE_RATIO", "1.1"),
            "ORB_OTLP__SAMPLE_RATIO (otlp.sample_ratio in the file): expected a share from 0 to 1",
        ),
        (("ORB_OTLP__SAMPLE_RATIO", "NaN"), "expected a share"),
    ];
    for (pair, expected) in table {
        let text = refusal(from_env(&[pair]));
        assert!(text.contains(expected), "{pair:?} gave {text:?}");
    }
}

#[test]
fn an_unknown_key_in_the_file_is_named() {
    let text = refusal(from_toml("[http]\naddress = '127.0.0.1:1'\n", &[]));
    assert!(
        text.contains("http.address") && text.contains("addr"),
        "{text}"
    );
    let text = refusal(from_toml("[htp]\naddr = '127.0.0.1:1'\n", &[]));
    assert!(text.contains("htp") && text.contains("http"), "{text}");
}

#[test]
fn a_bad_file_is_refused_without_its_text() {
    let error = from_toml("[discord]\ntokens = ['hush-hush'\n[http]\n", &[]).unwrap_err();
    assert_eq!(error.code(), "config_syntax");
    assert!(error.to_string().contains("line"), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
    let error = from_toml("[jellyfin]\napi_key = 4711\n", &[]).unwrap_err();
    assert!(
        error.to_string().contains("ORB_JELLYFIN_API_KEY"),
        "{error}"
    );
    assert!(!error.to_string().contains("4711"), "{error}");
    let missing = Config::load(Some(std::path::Path::new("/nonexistent/orb.toml")), []);
    assert_eq!(missing.unwrap_err().code(), "config_unreadable");
}

#[test]
fn secrets_show_nowhere() {
    let secret = "hush-hush";
    let url = format!("http://u:{secret}@host/?api_key={secret}");
    let rewrite = format!("http://u:{secret}@a=http://u:{secret}@b");
    let config = from_env(&[
        ("ORB_API_TOKENS", secret),
        ("ORB_DISCORD_TOKENS", secret),
        ("ORB_GOLIVE", "accept-account-risk"),
        ("ORB_DISCORD__GOLIVE_TOKENS", secret),
        ("ORB_JELLYFIN_API_KEY", secret),
        ("ORB_JELLYFIN_URL", &url),
        ("ORB_OTLP__ENDPOINT", &url),
        ("ORB_JELLYFIN__ALLOWED_ORIGINS", &url),
        ("ORB_JELLYFIN__REWRITE", &rewrite),
        (
            "ORB_DATABASE_URL",
            &format!("postgres://orb:{secret}@db/orb?password={secret}"),
        ),
    ])
    .unwrap()
    .config;
    let shown = format!("{config:?} {config:#?} {:?}", config.redacted());
    assert!(!shown.contains(secret), "{shown}");
    let summary = config.redacted();
    assert!(summary.contains(&("discord.tokens".to_owned(), "1 set".to_owned())));
    assert!(summary.contains(&("discord.golive_tokens".to_owned(), "1 set".to_owned())));
    assert!(summary.contains(&("database.url".to_owned(), "postgres://db".to_owned())));
}

#[test]
fn traces_go_to_the_standard_endpoint_unless_there_is_one_of_our_own() {
    let standard = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    let otlp = |pairs: &[(&str, &str)]| from_env(pairs).unwrap().config.otlp;
    assert!(otlp(&[]).endpoint.is_none());
    assert!(
        otlp(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")])
            .endpoint
            .is_none()
    );
    let both = [standard, ("ORB_OTLP__ENDPOINT", "http://ours:4317")];
    for (pairs, expected) in [
        (&both[..1], "http://collector:4317"),
        (&both, "http://ours:4317"),
    ] {
        assert_eq!(otlp(pairs).endpoint.unwrap().base(), expected);
    }
    let toml = from_toml(
        "[otlp]\nendpoint = 'http://file:4317'\nsample_ratio = 0.25\n",
        &[],
    );
    let from_file = toml.unwrap().config.otlp;
    assert_eq!(from_file.endpoint.unwrap().base(), "http://file:4317");
    assert!((from_file.sample_ratio - 0.25).abs() < f64::EPSILON);
    let ratio = otlp(&[("ORB_OTLP__SAMPLE_RATIO", "0.1")]).sample_ratio;
    assert!((ratio - 0.1).abs() < f64::EPSILON);
}

#[test]
fn roles_ask_for_what_they_need() {
    let bare = from_env(&[]).unwrap().config;
    bare.for_demo().unwrap();
    let up = bare.for_up().unwrap_err().to_string();
    assert!(
        up.contains("ORB_API_TOKENS") && up.contains("ORB_DISCORD_TOKENS"),
        "{up}"
    );
    let gateway = bare.for_gateway().unwrap_err().to_string();
    assert!(
        gateway.contains("ORB_API_TOKENS") && gateway.contains("ORB_SCHEDULER_URL"),
        "{gateway}"
    );
    assert!(
        bare.for_scheduler()
            .unwrap_err()
            .to_string()
            .contains("ORB_DISCORD_TOKENS")
    );
    assert!(
        bare.for_worker()
            .unwrap_err()
            .to_string()
            .contains("ORB_SCHEDULER_URL")
    );

    let full = from_env(&[
        ("ORB_API_TOKENS", "a"),
        ("ORB_DISCORD_TOKENS", "b"),
        ("ORB_SCHEDULER_URL", "http://127.0.0.1:50051"),
    ])
    .unwrap()
    .config;
    for role in [
        Config::for_up,
        Config::for_gateway,
        Config::for_scheduler,
        Config::for_worker,
    ] {
        role(&full).unwrap();
    }
    let unknown = from_env(&[("ORB_DATABASE_URL", "mysql://db/orb")])
        .unwrap()
        .config;
    let refused = unknown.for_up().unwrap_err().to_string();
    assert!(refused.contains("ORB_DATABASE_URL"), "{refused}");
}

#[test]
fn several_schedulers_need_etcd_and_a_database_that_they_share() {
    let base = [
        ("ORB_DISCORD_TOKENS", "t"),
        ("ORB_API_TOKENS", "t"),
        (
            "ORB_ETCD_ENDPOINTS",
            "http://etcd-1:2379, https://etcd-2:2379",
        ),
    ];
    let scheduler = |more: &[(&str, &str)]| {
        let config = from_env(&[&base, more].concat()).unwrap().config;
        config.for_scheduler().map_err(|error| error.to_string())
    };
    let database = ("ORB_DATABASE_URL", "postgres://db/orb");
    scheduler(&[database]).unwrap();
    assert!(scheduler(&[]).unwrap_err().contains("ORB_DATABASE_URL"));
    let everywhere = ("ORB_GRPC_ADDR", "0.0.0.0:50051");
    let refused = scheduler(&[database, everywhere]).unwrap_err();
    assert!(refused.contains("ORB_SCHEDULER__ADVERTISE"), "{refused}");
    let advertise = ("ORB_SCHEDULER__ADVERTISE", "http://10.0.0.3:50051");
    scheduler(&[database, everywhere, advertise]).unwrap();
    let refused = scheduler(&[database, ("ORB_ETCD__CERTIFICATE", "a.pem")]).unwrap_err();
    assert!(refused.contains("ORB_ETCD__KEY"), "{refused}");

    let config = from_env(&base).unwrap().config;
    assert_eq!(config.etcd.endpoints.len(), 2);
    config.for_gateway().unwrap();
    config.for_worker().unwrap();
}

/// A role's judgement of a configuration, or what is wrong with it.
type Check = fn(&Config) -> Result<(), Error>;

const TLS: [(&str, &str); 3] = [
    ("ORB_TLS__CA", "/tls/ca.crt"),
    ("ORB_TLS__CERT", "/tls/tls.crt"),
    ("ORB_TLS__KEY", "/tls/tls.key"),
];

fn judged(role: Check, more: &[(&str, &str)]) -> Result<(), String> {
    let base = [("ORB_API_TOKENS", "a"), ("ORB_DISCORD_TOKENS", "b")];
    let config = from_env(&[&base, more].concat()).unwrap().config;
    role(&config).map_err(|error| error.to_string())
}

#[test]
fn half_of_mutual_tls_is_an_error_that_names_the_other_half() {
    let scheduler = ("ORB_SCHEDULER_URL", "https://scheduler:50051");
    for role in [
        Config::for_up,
        Config::for_gateway,
        Config::for_scheduler,
        Config::for_worker,
    ] {
        judged(role, &[&TLS[..], &[scheduler]].concat()).unwrap();
        for missing in 0..TLS.len() {
            let mut half = TLS.to_vec();
            let (variable, _) = half.remove(missing);
            half.push(scheduler);
            let refused = judged(role, &half).unwrap_err();
            assert!(refused.contains(&format!("{variable} (tls.")), "{refused}");
            assert!(refused.contains("or none of ORB_TLS__*"), "{refused}");
        }
        let name = ("ORB_TLS__SERVER_NAME", "orb");
        let refused = judged(role, &[name, scheduler]).unwrap_err();
        assert!(refused.contains("ORB_TLS__CA"), "{refused}");
    }
    let config = from_env(&TLS).unwrap().config;
    assert_eq!(config.tls.server_name(), "orb-stream");
    let summary = config.redacted();
    assert!(summary.contains(&("tls.key".to_owned(), "/tls/tls.key".to_owned())));
}

#[test]
fn a_scheme_says_what_is_spoken() {
    let table: [(Check, &str, &str); 4] = [
        (Config::for_gateway, "ORB_SCHEDULER_URL", "scheduler:50051"),
        (Config::for_worker, "ORB_SCHEDULER_URL", "scheduler:50051"),
        (
            Config::for_scheduler,
            "ORB_SCHEDULER__ADVERTISE",
            "10.0.0.3:50051",
        ),
        (Config::for_worker, "ORB_WORKER__MEDIA_URL", "10.0.0.7:8090"),
    ];
    let etcd = |scheme: &str| ("ORB_ETCD_ENDPOINTS", format!("{scheme}://etcd:2379"));
    for (role, variable, address) in table {
        let judged = |scheme: &str, tls: &[(&str, &str)]| {
            let url = format!("{scheme}://{address}");
            let (etcd, endpoints) = etcd(scheme);
            let database = ("ORB_DATABASE_URL", "postgres://db/orb");
            let own = [(variable, url.as_str()), (etcd, &endpoints), database];
            judged(role, &[tls, &own].concat())
        };
        judged("https", &TLS).unwrap();
        judged("http", &[]).unwrap();
        let refused = judged("http", &TLS).unwrap_err();
        assert!(
            refused.contains(variable) && refused.contains("write https://"),
            "{refused}"
        );
        let refused = judged("https", &[]).unwrap_err();
        assert!(
            refused.contains(variable) && refused.contains("set ORB_TLS__CA"),
            "{refused}"
        );
    }
}
