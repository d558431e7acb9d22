//! The HTTP client of the checks that ask by themselves.

use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

/// One answer; a server that is well needs a fraction of a second.
const TIME_OUT: Duration = Duration::from_secs(8);

/// Goes nowhere but where it is sent: a redirect could carry a token off. `ca` is an authority to trust besides the
/// system's.
pub(super) fn client(ca: Option<&Path>) -> Result<Client, String> {
    let mut builder = Client::builder().timeout(TIME_OUT).redirect(Policy::none());
    if let Some(path) = ca {
        let pem = std::fs::read(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| format!("{} holds no certificate in PEM", path.display()))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder
        .build()
        .map_err(|error| format!("no HTTP client can be made: {}", innermost(&error)))
}

/// The deepest cause: what is above it only says that something failed.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Why a request got no answer.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        innermost(error)
    }
}
