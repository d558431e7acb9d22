//! Items are checked before anything is stored, whoever calls: above all where their sources are.

use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_scheduler_core::{EntryId, Item, Refusal};
use prost::Message;

/// Of one item, without the URLs of its sources: 1,100 entries of a queue go into one message, and a client takes 4 MiB.
const MAX_BYTES: usize = 3_000;

/// A checked item, with its sources rewritten; `place` is where it stands in the request.
pub(crate) fn item(policy: &SourcePolicy, place: &str, item: v1::Item) -> Result<Item, Refusal> {
    let field = |name: &str| format!("{place}.{name}");
    let bytes = item.encoded_len();
    if bytes.saturating_sub(item.stream_url.len() + item.download_url.len()) > MAX_BYTES {
        let message =
            "must not be longer than 3,000 bytes, the URLs of its sources apart; shorten its texts";
        return Err(Refusal::invalid(place, "too_long", message));
    }
    let stream_field = field("stream_url");
    let stream_url = checked(policy, &stream_field, &item.stream_url)?
        .ok_or_else(|| Refusal::invalid(&stream_field, "missing_field", "is required"))?;
    let download_url = checked(policy, &field("download_url"), &item.download_url)?;
    let duration_ms = u64::try_from(item.duration_ms).map_err(|_| {
        Refusal::invalid(
            &field("duration_ms"),
            "invalid_duration",
            "must not be below zero",
        )
    })?;
    if item.item_id.is_empty() {
        return Err(Refusal::invalid(
            &field("item_id"),
            "missing_field",
            "must name the Jellyfin item",
        ));
    }
    Ok(Item {
        // The scheduler's own to give.
        entry: EntryId::default(),
        external_id: (item.queue_entry_id != 0).then_some(item.queue_entry_id),
        item_id: item.item_id,
        source_id: item.source_id,
        title: item.title,
        media_type: item.media_type,
        stream_url,
        download_url,
        duration_ms: (duration_ms > 0).then_some(duration_ms),
        poster_url: text(item.poster_url),
        year: text(item.year),
        tmdb_id: text(item.tmdb_id),
        imdb_id: text(item.imdb_id),
        episode: text(item.episode),
        summary: text(item.summary),
    })
}

fn checked(policy: &SourcePolicy, field: &str, raw: &str) -> Result<Option<String>, Refusal> {
    if raw.is_empty() {
        return Ok(None);
    }
    match policy.check(field, raw) {
        Ok(url) => Ok(Some(url.expose().to_string())),
        Err(error) => {
            // The field goes beside the sentence, in whatever spelling the caller's API has for it.
            let sentence = error.to_string();
            let sentence = sentence
                .strip_prefix(&format!("{field}: "))
                .unwrap_or(&sentence);
            Err(Refusal::invalid(field, error.code(), sentence))
        }
    }
}

fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
