//! Ears.

use serde::Serialize;

use crate::{Error, Heard};

/// How to listen.
#[derive(Clone, Debug, Default)]
pub struct Listening {}

/// What was heard.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EarReport {}

impl Listening {
    /// Decodes and analyses.
    pub fn report(&self, _heard: &Heard) -> Result<EarReport, Error> {
        Ok(EarReport {})
    }
}
