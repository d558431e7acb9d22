//! The queue of a party.

use serde_json::json;

use super::Context;
use crate::api::{Queue, QueueEntry};
use crate::arguments::{Items, QueueCommand};
use crate::client::Answer;
use crate::media_time::clock;
use crate::output::{Align, Colour, Style, Table};
use crate::{Error, choose};

pub(super) async fn run(context: &Context<'_>, command: QueueCommand) -> Result<(), Error> {
    match command {
        QueueCommand::List(which) => {
            let id = context.party(which.named).await?;
            let answer = context
                .client
                .get(&["parties", &id, "queue"])
                .send()
                .await?;
            show(context, &answer)
        }
        QueueCommand::Add(items) => add(context, items, false).await,
        QueueCommand::Next(items) => add(context, items, true).await,
        QueueCommand::Remove { entries } => remove(context, &entries).await,
        QueueCommand::Move { entry, place } => {
            let id = context.party(None).await?;
            let path = ["parties", &id, "queue", &entry.to_string(), "move"];
            let answer = context
                .client
                .post(&path)
                .json(json!({ "toIndex": place - 1 }))
                .send()
                .await?;
            show(context, &answer)
        }
        QueueCommand::Reorder { entries } => reorder(context, &entries).await,
        QueueCommand::Clear(which) => {
            let id = context.party(which.named).await?;
            let answer = context
                .client
                .delete(&["parties", &id, "queue"])
                .send()
                .await?;
            show(context, &answer)
        }
    }
}

async fn add(context: &Context<'_>, items: Items, next: bool) -> Result<(), Error> {
    let id = context.party(None).await?;
    let ids = match items.search {
        Some(text) => vec![choose::item(context.client, &text).await?.id],
        None => items.items,
    };
    let body = json!({ "itemIds": ids, "next": next });
    let answer = context
        .client
        .post(&["parties", &id, "queue"])
        .json(body)
        .send()
        .await?;
    context.output.show(&answer, |style| {
        let queue: Queue = answer.read()?;
        let added = queue
            .entries
            .iter()
            .filter(|entry| queue.added.contains(&entry.entry_id));
        Ok(added_line(&queue, added.collect(), style))
    })
}

fn added_line(queue: &Queue, added: Vec<&QueueEntry>, style: Style) -> String {
    let plural = if added.len() == 1 { "entry" } else { "entries" };
    let summary = format!(
        "{} {plural} added; {} waiting",
        added.len(),
        queue.waiting().count()
    );
    format!("{summary}\n{}", table(queue, added).render(style))
}

/// One call an entry: those before one that cannot be removed are gone.
async fn remove(context: &Context<'_>, entries: &[u64]) -> Result<(), Error> {
    let id = context.party(None).await?;
    let mut last = None;
    for entry in entries {
        let path = ["parties", &id, "queue", &entry.to_string()];
        last = Some(context.client.delete(&path).send().await?);
    }
    match last {
        Some(answer) => show(context, &answer),
        None => Ok(()),
    }
}

/// The API wants to be told of every waiting entry, and that they are still those which were seen.
async fn reorder(context: &Context<'_>, first: &[u64]) -> Result<(), Error> {
    let id = context.party(None).await?;
    let path = ["parties", &id, "queue"];
    let seen = context.client.get(&path).send().await?;
    let waiting: Vec<u64> = seen
        .read::<Queue>()?
        .waiting()
        .map(|entry| entry.entry_id)
        .collect();
    let order = in_front(first, &waiting)?;
    let call = context.client.put(&["parties", &id, "queue", "order"]);
    let answer = call
        .json(json!({ "entryIds": order }))
        .if_match(seen.etag)
        .send()
        .await?;
    show(context, &answer)
}

/// `first`, then the rest of `waiting` in its order.
fn in_front(first: &[u64], waiting: &[u64]) -> Result<Vec<u64>, Error> {
    let mut order: Vec<u64> = Vec::with_capacity(waiting.len());
    for entry in first {
        if !waiting.contains(entry) {
            return Err(Error::NotWaiting(*entry));
        }
        if !order.contains(entry) {
            order.push(*entry);
        }
    }
    order.extend(waiting.iter().filter(|entry| !first.contains(entry)));
    Ok(order)
}

fn show(context: &Context<'_>, answer: &Answer) -> Result<(), Error> {
    context.output.show(answer, |style| {
        let queue: Queue = answer.read()?;
        if queue.entries.is_empty() {
            return Ok("the queue is empty; add with `orb party queue add`".to_owned());
        }
        Ok(table(&queue, queue.entries.iter().collect()).render(style))
    })
}

/// Some entries of a queue, each with its place among those that wait.
fn table(queue: &Queue, entries: Vec<&QueueEntry>) -> Table {
    let mut table = Table::new(&[
        ("PLACE", Align::Right),
        ("ENTRY", Align::Right),
        ("STATUS", Align::Left),
        ("TITLE", Align::Left),
        ("LENGTH", Align::Right),
        ("ADDED BY", Align::Left),
    ]);
    for entry in entries {
        let place = queue
            .waiting()
            .position(|waiting| waiting.entry_id == entry.entry_id);
        let status = match &entry.error {
            Some(error) => format!("{} ({})", entry.status, error.text()),
            None => entry.status.clone(),
        };
        table.row(vec![
            (
                place
                    .map(|index| (index + 1).to_string())
                    .unwrap_or_default(),
                None,
            ),
            (entry.entry_id.to_string(), None),
            (status, colour(&entry.status)),
            (title(entry), None),
            (
                entry
                    .duration_seconds
                    .map(|seconds| clock(seconds * 1000))
                    .unwrap_or_default(),
                None,
            ),
            (entry.added_by.clone().unwrap_or_default(), None),
        ]);
    }
    table
}

fn title(entry: &QueueEntry) -> String {
    let episode = entry
        .episode
        .as_ref()
        .map(crate::api::Scalar::text)
        .filter(|text| !text.is_empty());
    let year = entry
        .year
        .as_ref()
        .map(crate::api::Scalar::text)
        .filter(|text| !text.is_empty());
    match (episode, year) {
        (Some(episode), _) => format!("{} · {episode}", entry.title),
        (None, Some(year)) => format!("{} ({year})", entry.title),
        (None, None) => entry.title.clone(),
    }
}

fn colour(status: &str) -> Option<Colour> {
    match status {
        "playing" => Some(Colour::Green),
        "failed" => Some(Colour::Red),
        "played" | "skipped" => Some(Colour::Dim),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn those_that_are_named_come_first_and_the_rest_keeps_its_order() {
        assert_eq!(in_front(&[4, 2], &[1, 2, 3, 4]).unwrap(), [4, 2, 1, 3]);
        assert_eq!(in_front(&[3, 3], &[1, 2, 3]).unwrap(), [3, 1, 2]);
        let error = in_front(&[1, 9], &[1, 2]).unwrap_err();
        assert!(matches!(error, Error::NotWaiting(9)));
    }
}
