//! What a step of a group leads to: messages for clients, entries for the record.

use serde_json::Value;

use crate::voice_connections::VoiceOut;

/// What is to be sent, and what is to be recorded as having happened.
#[derive(Default)]
pub(crate) struct Effects {
    /// By SSRC.
    pub(crate) out: Vec<(u32, VoiceOut)>,
    /// Step and epoch after it.
    pub(crate) steps: Vec<(String, u64)>,
}

impl Effects {
    pub(super) fn binary(&mut self, ssrc: u32, op: u8, parts: &[&[u8]]) {
        self.out.push((ssrc, VoiceOut::Binary(op, parts.concat())));
    }

    pub(super) fn json(&mut self, ssrc: u32, op: u8, data: Value) {
        self.out.push((ssrc, VoiceOut::Json(op, data)));
    }

    pub(super) fn step(&mut self, step: impl Into<String>, epoch: u64) {
        self.steps.push((step.into(), epoch));
    }
}
