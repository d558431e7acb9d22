//! A voice connection that waits for the gate.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use orb_voice::{Gate, Refused, Step};
use orb_worker_outputs::voice::VoiceCredentials;

use crate::gate::LeaseGate;

/// Asks once before songbird connects, which asks nobody when it reconnects by itself
/// (`docs/adr/0004-the-gate.md`). Dropping it withdraws the question.
#[derive(Default)]
pub(crate) struct Dial(Option<Pin<Box<Passing>>>);

type Passing = dyn Future<Output = Result<VoiceCredentials, Refused>> + Send;

impl Dial {
    /// In place of any other that waits.
    pub(crate) fn begin(&mut self, gate: LeaseGate, credentials: VoiceCredentials) {
        self.0 = Some(Box::pin(async move {
            loop {
                let permit = gate.pass(Step::Dial).await?;
                if Instant::now() < permit.expires {
                    return Ok(credentials);
                }
            }
        }));
    }

    pub(crate) fn withdraw(&mut self) {
        self.0 = None;
    }

    /// Connect with these, at once. Forever pending while nothing waits. Cancel-safe.
    pub(crate) async fn permitted(&mut self) -> Result<VoiceCredentials, Refused> {
        let Some(passing) = &mut self.0 else {
            return std::future::pending().await;
        };
        let outcome = passing.await;
        self.0 = None;
        outcome
    }
}
