//! Go Live by tables: each line an input, and what comes of it at once.

use super::script::{In, Script};
use crate::VoiceCredentials;

mod coming;
mod pauses;
mod servers;

type Case = (&'static str, &'static [(In, &'static str)]);

fn check(held: &dyn Fn() -> Vec<VoiceCredentials>, cases: &[Case]) {
    for (name, script) in cases {
        Script::new(held()).run(name, script);
    }
}
