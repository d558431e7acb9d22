//! What happened in a party.

use futures::StreamExt;
use serde_json::Value;

use super::Context;
use crate::Error;
use crate::api::{self, Scalar};
use crate::arguments::Events;
use crate::client::StreamEvent;
use crate::output::text::printable;
use crate::output::{Align, Colour, Style, Table};
use crate::watch::{Signals, Turn, follow as follow_party};

pub(super) async fn run(context: &Context<'_>, options: Events) -> Result<(), Error> {
    let id = context.party(options.which.named).await?;
    if options.follow {
        return follow(context, &id, options.after).await;
    }
    let call = context.client.get(&["parties", &id, "events"]);
    let answer = call
        .query("after", options.after)
        .query("limit", options.limit)
        .send()
        .await?;
    context.output.show(&answer, |style| {
        let page: api::Events = answer.read()?;
        if page.events.is_empty() {
            return Ok("no events".to_owned());
        }
        let mut text = table(&page.events).render(style);
        if let Some(next) = page.next {
            text = format!("{text}\nmore: --after {next}");
        }
        Ok(text)
    })
}

fn table(events: &[api::Event]) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Right),
        ("AT", Align::Left),
        ("EVENT", Align::Left),
        ("ENTRY", Align::Right),
        ("CAUSE", Align::Left),
        ("ACTOR", Align::Left),
        ("ABOUT", Align::Left),
    ]);
    for event in events {
        table.row(vec![
            (event.id.to_string(), None),
            (
                event.at.as_ref().map(Scalar::text).unwrap_or_default(),
                Some(Colour::Dim),
            ),
            (event.kind.clone(), colour(&event.kind)),
            (entry(event), None),
            (event.cause.clone().unwrap_or_default(), None),
            (event.actor.clone().unwrap_or_default(), None),
            (about(&event.payload), None),
        ]);
    }
    table
}

/// Until Ctrl-C: all that comes; after a lost connection from the last one that was seen.
async fn follow(context: &Context<'_>, id: &str, after: Option<u64>) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let mut turns = follow_party(context.client, id, after.map(|id| id.to_string()));
    loop {
        let turn = tokio::select! {
            () = signals.next() => return Ok(()),
            turn = turns.next() => turn.transpose()?,
        };
        match turn {
            Some(Turn::Event(StreamEvent::Happened { json, .. })) if context.output.json => {
                context.output.json_line(&json)?;
            }
            Some(Turn::Event(StreamEvent::Happened { json, .. })) => {
                if let Ok(event) = serde_json::from_str::<api::Event>(&json) {
                    context.output.line(&line(&event, context.output.style))?;
                }
            }
            Some(Turn::Event(StreamEvent::State(_)) | Turn::Connected) => {}
            Some(Turn::Lost(reason)) => eprintln!("orb: {reason}; connecting again"),
            Some(Turn::Gone) | None => return Ok(()),
        }
    }
}

fn line(event: &api::Event, style: Style) -> String {
    let at = event.at.as_ref().map(Scalar::text).unwrap_or_default();
    let cause = event.cause.as_deref().unwrap_or_default();
    let actor = event.actor.as_deref().unwrap_or_default();
    let kind = match colour(&event.kind) {
        Some(colour) => style.paint(colour, &printable(&event.kind)),
        None => printable(&event.kind),
    };
    let rest = printable(&format!(
        "{} {cause} {actor} {}",
        entry(event),
        about(&event.payload)
    ));
    format!(
        "{} {} {kind} {}",
        event.id,
        style.paint(Colour::Dim, &printable(&at)),
        rest.trim()
    )
}

fn entry(event: &api::Event) -> String {
    event
        .payload
        .get("entryId")
        .and_then(Value::as_u64)
        .map(|id| id.to_string())
        .unwrap_or_default()
}

/// What the payload says for people, if it does.
fn about(payload: &Value) -> String {
    let said = ["title", "message", "error", "reason"]
        .iter()
        .find_map(|name| payload.get(name)?.as_str());
    said.unwrap_or_default().to_owned()
}

fn colour(kind: &str) -> Option<Colour> {
    let bad = ["failed", "lost", "error"]
        .iter()
        .any(|word| kind.contains(word));
    bad.then_some(Colour::Red)
}
