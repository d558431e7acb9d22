//! Which certificates voice connections trust.
//!
//! Both voice drivers read the system's roots, and `SSL_CERT_FILE` replaces all of them. To trust a further
//! authority (a simulator's) the process writes a bundle of both and starts itself once more with the
//! variable set: an environment may be changed safely only before there are threads, which is not
//! something that Rust can promise about its own process.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orb_config::Config;

use crate::cli::Role;

/// Set for the second start: where the bundle is, and that it is ours to write.
pub(crate) const BUNDLE: &str = "ORB_INTERNAL_TRUST_BUNDLE";

/// The bundle that this process trusts, where it was started with one of its own.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    bundle: Option<PathBuf>,
}

impl Trust {
    /// Adds an authority that came to be after the start: the demo's simulator.
    #[cfg(feature = "demo")]
    pub(crate) fn add(&self, ca_pem: &str) -> Result<()> {
        let bundle = self
            .bundle
            .as_ref()
            .ok_or_else(|| anyhow!("started without a trust bundle"))?;
        write_bundle(bundle, ca_pem)
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        if let Some(bundle) = &self.bundle {
            // Nothing depends on it; the folder for temporary files is emptied anyway.
            let _ = std::fs::remove_file(bundle);
        }
    }
}

/// Returns in the process that trusts the right authorities: this one, or the one that it becomes.
pub(crate) fn settle(config: &Config, role: &Role) -> Result<Trust> {
    if let Some(bundle) = std::env::var_os(BUNDLE) {
        return Ok(Trust {
            bundle: Some(bundle.into()),
        });
    }
    let extra = match (&config.discord.ca, role) {
        (Some(ca), _) => std::fs::read_to_string(ca)
            .with_context(|| format!("ORB_DISCORD_CA: cannot read {}", ca.display()))?,
        // The simulator's authority comes later; the file has to be named now.
        #[cfg(feature = "demo")]
        (None, Role::Demo(_)) if config.discord.tokens.is_empty() => String::new(),
        _ => return Ok(Trust::default()),
    };
    let bundle = std::env::temp_dir().join(format!("orb-trust-{}.pem", std::process::id()));
    write_bundle(&bundle, &extra)?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env("SSL_CERT_FILE", &bundle)
        .env(BUNDLE, &bundle)
        .exec();
    Err(anyhow!(error).context("cannot start again with SSL_CERT_FILE set"))
}

fn write_bundle(path: &Path, extra_pem: &str) -> Result<()> {
    let mut bundle = String::new();
    // With the bundle in force already, the system's roots are in it; read them again without it.
    for certificate in rustls_native_certs::load_native_certs().certs {
        bundle.push_str(&pem(&certificate));
    }
    bundle.push_str(extra_pem);
    std::fs::write(path, bundle).with_context(|| format!("cannot write {}", path.display()))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
