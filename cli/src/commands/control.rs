//! Play, pause, seek and their like: one POST, and what became of it in a line.

use serde_json::{Value, json};

use super::Context;
use crate::api::Party;
use crate::arguments::{Play, Seek, Which};
use crate::client::Answer;
use crate::media_time::SeekTarget;
use crate::output::text::printable;
use crate::output::{Colour, Style};
use crate::watch::state_line;
use crate::{Error, choose};

/// An action that needs no more than its name.
pub(super) async fn plain(context: &Context<'_>, which: Which, action: &str) -> Result<(), Error> {
    let id = context.party(which.named).await?;
    act(context, &id, action, json!({})).await
}

pub(super) async fn play(context: &Context<'_>, play: Play) -> Result<(), Error> {
    let id = context.party(play.which.named).await?;
    let body = match (play.item, play.entry, play.search) {
        (Some(item), _, _) => json!({ "itemId": item }),
        (_, Some(entry), _) => json!({ "entryId": entry }),
        (_, _, Some(text)) => json!({ "itemId": choose::item(context.client, &text).await?.id }),
        _ => json!({}),
    };
    act(context, &id, "play", body).await
}

pub(super) async fn seek(context: &Context<'_>, seek: Seek) -> Result<(), Error> {
    let id = context.party(None).await?;
    let body = match seek.to {
        SeekTarget::To(seconds) => json!({ "positionSeconds": number(seconds) }),
        SeekTarget::By(seconds) => json!({ "bySeconds": number(seconds) }),
    };
    act(context, &id, "seek", body).await
}

/// Whole seconds as a whole number: what most people write needs no point.
fn number(seconds: f64) -> Value {
    if seconds.fract() == 0.0 {
        json!(seconds as i64)
    } else {
        json!(seconds)
    }
}

async fn act(context: &Context<'_>, id: &str, action: &str, body: Value) -> Result<(), Error> {
    let answer = context
        .client
        .post(&["parties", id, action])
        .json(body)
        .send()
        .await?;
    context.output.show(&answer, |style| {
        Ok(outcome(&answer, &answer.read()?, style))
    })
}

/// The party's state, and that it is still on its way where the server did not wait for it.
pub(super) fn outcome(answer: &Answer, party: &Party, style: Style) -> String {
    let id = printable(&party.id);
    let line = format!("{id}: {}", state_line(party, style));
    if answer.status == 202 {
        let note = "accepted; the worker is not there yet";
        return format!("{line}  {}", style.paint(Colour::Yellow, note));
    }
    line
}
