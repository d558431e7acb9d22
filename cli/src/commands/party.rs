//! Parties as such: making, listing, looking, ending.

use serde_json::{Map, Value, json};

use super::{Context, control};
use crate::Error;
use crate::api::{Parties, Party, Picture, PlaybackState};
use crate::arguments::{AtQueueEnd, Create};
use crate::media_time::clock;
use crate::output::text::printable;
use crate::output::{Align, Colour, Style, Table};
use crate::watch::{StatusText, next_title, state_colour};

pub(super) async fn create(context: &Context<'_>, create: Create) -> Result<(), Error> {
    let at_queue_end = create.at_queue_end.map(|what| match what {
        AtQueueEnd::Wait => "wait",
        AtQueueEnd::Leave => "leave",
    });
    let fields = [
        ("id", create.id),
        ("guildId", Some(create.guild)),
        ("voiceChannelId", Some(create.voice_channel)),
        ("textChannelId", Some(create.text_channel)),
        ("title", create.title),
        ("ownerUserId", create.owner),
        ("atQueueEnd", at_queue_end.map(ToOwned::to_owned)),
    ];
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    let mut body: Map<String, Value> = given.collect();
    if create.go_live {
        body.insert("goLive".to_owned(), true.into());
    }
    let answer = context
        .client
        .post(&["parties"])
        .json(body.into())
        .send()
        .await?;
    context.output.show(&answer, |style| {
        let party: Party = answer.read()?;
        let id = style.paint(Colour::Bold, &printable(&party.id));
        Ok(match answer.status {
            201 => format!(
                "{id} is made; fill its queue with `orb party queue add`, then `orb party play`"
            ),
            _ => format!("{id} is there already"),
        })
    })
}

pub(super) async fn list(context: &Context<'_>) -> Result<(), Error> {
    let answer = context.client.get(&["parties"]).send().await?;
    context.output.show(&answer, |style| {
        let Parties { parties } = answer.read()?;
        if parties.is_empty() {
            return Ok("no parties; make one with `orb party create`".to_owned());
        }
        Ok(table(&parties).render(style))
    })
}

fn table(parties: &[Party]) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("TITLE", Align::Left),
        ("STATE", Align::Left),
        ("PLAYS", Align::Left),
        ("AT", Align::Right),
        ("QUEUED", Align::Right),
        ("CHANNEL", Align::Left),
    ]);
    for party in parties {
        let at = match party.playback_state {
            PlaybackState::Idle | PlaybackState::Stopped => String::new(),
            _ => clock(party.position_ms),
        };
        table.row(vec![
            (party.id.clone(), None),
            (party.title.clone().unwrap_or_default(), None),
            (
                party.playback_state.name().to_owned(),
                Some(state_colour(party.playback_state)),
            ),
            (party.current_title.clone().unwrap_or_default(), None),
            (at, None),
            (party.queued.to_string(), None),
            (party.voice_channel_id.clone(), None),
        ]);
    }
    table
}

pub(super) async fn show(context: &Context<'_>, id: &str) -> Result<(), Error> {
    let answer = context.client.get(&["parties", id]).send().await?;
    context
        .output
        .show(&answer, |style| Ok(in_full(&answer.read()?, style)))
}

fn in_full(party: &Party, style: Style) -> String {
    let length = party.duration_ms().map_or_else(|| "?".to_owned(), clock);
    let fields = [
        ("id", Some(party.id.clone())),
        ("title", party.title.clone()),
        ("status", Some(party.status.clone())),
        ("playback", Some(party.playback_state.name().to_owned())),
        ("plays", party.current_title.clone()),
        (
            "position",
            party
                .current_title
                .as_ref()
                .map(|_| format!("{} / {length}", clock(party.position_ms))),
        ),
        ("entry", party.entry_id.map(|entry| entry.to_string())),
        ("queued", Some(party.queued.to_string())),
        ("last end", party.end_reason.clone()),
        ("worker", Some(party.worker_status.clone())),
        ("error", party.last_error.clone()),
        ("plan", party.plan.clone()),
        ("picture", party.picture.as_ref().map(Picture::text)),
        ("guild", Some(party.guild_id.clone())),
        ("voice channel", Some(party.voice_channel_id.clone())),
        ("text channel", Some(party.text_channel_id.clone())),
        ("owner", party.owner_user_id.clone()),
        ("at queue end", Some(party.at_queue_end.clone())),
        ("created", party.created_at.clone()),
    ];
    let lines = fields.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        let name = style.paint(Colour::Dim, &format!("{name:<14}"));
        Some(format!("{name} {}", printable(&value)))
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) async fn end(context: &Context<'_>, id: &str) -> Result<(), Error> {
    let answer = context.client.delete(&["parties", id]).send().await?;
    context.output.show(&answer, |style| {
        // A server may answer this with nothing.
        if answer.text.trim().is_empty() {
            return Ok(format!("{} has ended", printable(id)));
        }
        Ok(control::outcome(&answer, &answer.read()?, style))
    })
}

/// What `--watch` shows, once.
pub(super) async fn status(context: &Context<'_>, id: &str) -> Result<(), Error> {
    let answer = context.client.get(&["parties", id]).send().await?;
    if context.output.json {
        return context.output.json_line(&answer.text);
    }
    let party: Party = answer.read()?;
    let next = next_title(context.client, &party).await?;
    let text = StatusText {
        party: &party,
        next: next.as_deref(),
        position_ms: party.position_ms,
        notice: None,
    };
    context.output.line(&text.in_a_line(context.output.style))
}
