//! A connection that waits for the gate.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use orb_voice::{Gate, Step};
use songbird::ConnectionInfo;

use super::{link::Link, lock, talk, tap::Tap};

/// Asks once, before songbird connects: when that reconnects by itself, it asks nobody
/// (`docs/adr/0004-the-gate.md`). Its task is aborted when another connection, or none, is wanted.
pub(super) struct Dial {
    pub(super) gate: Arc<dyn Gate>,
    pub(super) info: ConnectionInfo,
    /// Of the connection that is to be.
    pub(super) id: u64,
    pub(super) tap: Arc<Tap>,
    pub(super) link: Arc<Mutex<Option<Link>>>,
}

impl Dial {
    pub(super) async fn run(self) {
        loop {
            let Ok(permit) = self.gate.pass(Step::Dial).await else {
                let reason = "not connected to voice: the lease has ended";
                return self.tap.on_lost(self.id, None, reason.to_owned());
            };
            // Else this process was stopped meanwhile, or the answer was slow.
            if Instant::now() < permit.expires {
                return self.open();
            }
        }
    }

    fn open(self) {
        let mut link = lock(&self.link);
        // An abort does not reach a task that runs.
        if !self.tap.is_present(self.id) {
            return;
        }
        match Link::open(self.info, self.id, Arc::clone(&self.tap)) {
            Ok(opened) => *link = Some(opened),
            Err(error) => self.tap.on_lost(self.id, None, error.to_string()),
        }
        talk(&self.tap, link);
    }
}
