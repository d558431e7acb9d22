//! The party API: queues that play by themselves, beside the worker contract on the same party.

mod both_ways;
mod failing_entries;
mod order;
mod play_through;
mod retries;
mod series;
mod standby;
mod streams;
mod tables;

use std::time::Duration;

use orb_e2e::{Answer, ApiParty, until};
use serde_json::Value;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

const GUILD: u64 = 111;

/// What people did and what played, one line an event: `"play 2 auto_advance worker:w"` is its type, entry, cause and
/// actor. What workers see and who holds a lease is left out: a busy machine has more of it.
fn story(events: &[Value]) -> Vec<String> {
    let told = events.iter().filter(|event| {
        let kind = event["type"].as_str();
        !matches!(kind, Some("observed" | "lease_granted" | "lease_declined"))
    });
    told.map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or("?").to_owned();
        let payload = &event["payload"];
        let entry = match &payload["entryId"] {
            Value::Null => String::new(),
            entry => format!(" {entry}"),
        };
        let reason = match payload["reason"].as_str() {
            None => String::new(),
            Some(reason) => format!(" {reason}"),
        };
        let actor = text("actor");
        let actor = actor.split(':').next().unwrap_or_default();
        format!("{}{entry}{reason} {} {actor}", text("type"), text("cause"))
    })
    .collect()
}

/// Waits until both views of the party, taken one after the other, say the same: the party is the contract's status
/// object, and more. It moves by itself meanwhile, as when Discord hands out credentials.
async fn agree(party: &ApiParty) -> (Answer, Answer) {
    until("both views to agree", SOON, async || {
        let (status, seen) = (party.contract().status().await, party.get().await);
        status.expect_status();
        is_same(&status, &seen).then_some((status, seen))
    })
    .await
}

/// Whether all that the contract's status object has is in the party, with the same value.
fn is_same(status: &Answer, party: &Answer) -> bool {
    let (status, party) = (status.settled(), party.settled());
    let fields = status.as_object().unwrap();
    fields.iter().all(|(field, value)| *value == party[field])
}
