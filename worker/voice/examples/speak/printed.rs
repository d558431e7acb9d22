//! What happens, as lines of JSON on the standard output.

use orb_voice::{CallEvent, Encryption, Heard};
use serde_json::{Value, json};

pub(crate) fn event(event: &CallEvent) {
    line(&match event {
        CallEvent::Connected { resumed } => json!({"event": "connected", "resumed": resumed}),
        CallEvent::Reconnecting { close_code, reason } => {
            json!({"event": "reconnecting", "close_code": close_code, "reason": reason})
        }
        CallEvent::Lost {
            close_code, reason, ..
        } => json!({"event": "lost", "close_code": close_code, "reason": reason}),
        CallEvent::Encryption(state) => {
            let state = match state {
                Encryption::TransportOnly => "transport_only",
                Encryption::Waiting => "waiting",
                Encryption::EndToEnd => "end_to_end",
            };
            json!({"event": "encryption", "state": state})
        }
    });
}

/// A packet of another member; `opus` is null when no key fits.
pub(crate) fn heard(packet: &Heard) {
    let opus = packet.opus.as_ref().map(|opus| {
        let digits = opus.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    });
    line(&json!({
        "event": "heard", "user": packet.user.to_string(), "ssrc": packet.ssrc, "sequence": packet.sequence,
        "rtp_time": packet.rtp_time, "opus": opus,
    }));
}

/// There is nothing to say; so many frames were sent until now, and pictures, if any are shown.
pub(crate) fn idle(sent: u32, pictures: Option<u32>) {
    line(&json!({"event": "idle", "sent": sent, "pictures": pictures}));
}

fn line(value: &Value) {
    println!("{value}");
}
