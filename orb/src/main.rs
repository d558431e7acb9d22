//! `orb`: watch parties in Discord voice channels.
//!
//! One binary, several roles. To be one, it reads the configuration, settles which certificates are trusted
//! (before there is any thread), starts the runtime and hands over to [`roles`]. Exit codes: 0 after a
//! signal, 1 when a role failed, 2 when the command line is wrong, 64 when the configuration is.
//!
//! The other commands are those of [`orb_cli`], which speak to a server that runs, and [`orb_doctor`]; their exit codes
//! are told there.

mod certificates;
mod cli;
#[cfg(feature = "demo")]
mod demo;
mod election;
mod file_limit;
mod in_process;
mod operation;
mod roles;
mod stack;
mod trust;

use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::Parser;
use mimalloc::MiMalloc;
use orb_config::{Config, Loaded};
use orb_telemetry::{Process, Telemetry};
use uuid::Uuid;

use crate::cli::{Cli, Command, Role};

/// A call is hundreds of small allocations (JSON, protobuf, HTTP/2 frames), made on one thread and freed on another: a
/// fifth of the scheduler's CPU time with the C library's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// As in BSD's `sysexits.h`: the command was used wrongly.
const EXIT_USAGE: u8 = 64;

/// This one life of the process among all: its worker's incarnation, and its name in traces.
static LIFE: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Role(role) => serve(role, cli.config.as_deref()),
        Command::Client(command) => run(orb_cli::run(command)),
        Command::Doctor(options) => {
            let loaded = Config::load(cli.config.as_deref(), environment());
            run(orb_doctor::run(&options, loaded))
        }
    }
}

/// A command that ends by itself.
fn run(command: impl Future<Output = ExitCode>) -> ExitCode {
    install_tls_provider();
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => failed(&error.into()),
    }
}

/// Is a role until a signal comes.
fn serve(role: Role, config_file: Option<&Path>) -> ExitCode {
    let loaded = match Config::load(config_file, environment()) {
        Ok(loaded) => loaded,
        Err(error) => return usage(&error),
    };
    if let Err(error) = check(&loaded.config, &role) {
        return usage(&error);
    }
    if let Err(error) = roles::source_policy(&loaded.config) {
        return usage(&error);
    }
    let trust = match trust::settle(&loaded.config, &role) {
        Ok(trust) => trust,
        Err(error) => return usage(&error),
    };
    let tls = match certificates::load(&loaded.config, &role) {
        Ok(tls) => tls,
        Err(error) => return usage(&error),
    };
    install_tls_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let started = {
        let _entered = runtime.enter();
        let Config { log, otlp, .. } = &loaded.config;
        Telemetry::start(log, otlp, &process(&role, &loaded.config))
    };
    let telemetry = match started {
        Ok(telemetry) => telemetry,
        Err(error) => return usage(&error),
    };
    let Loaded { config, warnings } = loaded;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let outcome = runtime.block_on(roles::run(role, config, trust, tls));
    telemetry.flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// What may hold settings. What this program sets for its own second start is none, and what its commands read is for
/// them.
fn environment() -> impl Iterator<Item = (String, String)> {
    orb_config::process_environment()
        .filter(|(name, _)| name != trust::BUNDLE && !orb_cli::VARIABLES.contains(&name.as_str()))
}

/// The one TLS provider of the process; everything else would bring its own, or panic without.
fn install_tls_provider() {
    let installed = rustls::crypto::ring::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing before main installs a provider");
}

/// Who this process is in traces.
fn process(role: &Role, config: &Config) -> Process {
    let instance = match role {
        Role::Worker => format!("{}/{}", config.worker.id, *LIFE),
        _ => LIFE.to_string(),
    };
    Process {
        role: role.name(),
        instance,
    }
}

fn check(config: &Config, role: &Role) -> Result<(), orb_config::Error> {
    match role {
        Role::Up => config.for_up(),
        #[cfg(feature = "demo")]
        Role::Demo(_) => config.for_demo(),
        Role::Gateway => config.for_gateway(),
        Role::Scheduler => config.for_scheduler(),
        Role::Worker => config.for_worker(),
    }
}

fn usage(error: &impl std::fmt::Display) -> ExitCode {
    eprintln!("orb: {error}");
    ExitCode::from(EXIT_USAGE)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("orb: {error:#}");
    ExitCode::FAILURE
}
