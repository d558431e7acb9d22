//! From an item of the library to one of a queue. Pure.

use orb_jellyfin::{
    Error,
    client::{ImageRequest, JellyfinClient, LibraryItem, PlaybackSource},
};
use orb_proto::v1::Item;

/// Longest summary in a queue, in characters: a few sentences. The library has the rest.
const MAX_SUMMARY: usize = 400;

/// The item as a queue has it. `source` is the version to play; without it, the one that Jellyfin itself would.
///
/// No URL of it bears a key: whoever opens it adds the header.
pub(super) fn queue_item(
    client: &JellyfinClient,
    item: &LibraryItem,
    source: Option<&PlaybackSource>,
) -> Result<Item, Error> {
    let duration = source.and_then(|source| source.runtime_ms);
    let duration = duration.or(item.runtime_ms).unwrap_or_default();
    let poster = ImageRequest {
        tag: item.images.primary.clone(),
        ..ImageRequest::default()
    };
    let poster_url = match poster.tag {
        Some(_) => client.image_url(&item.id, &poster)?.to_string(),
        None => String::new(),
    };
    Ok(Item {
        item_id: item.id.clone(),
        // A version's id is the id of the item that it was scanned as, and of the first one the item's own.
        source_id: source.map_or_else(|| item.id.clone(), |source| source.id.clone()),
        title: title(item),
        media_type: item.kind.as_str().to_owned(),
        stream_url: client
            .stream_url(&item.id, source.map(|source| source.id.as_str()))?
            .to_string(),
        download_url: client.download_url(&item.id)?.to_string(),
        duration_ms: i64::try_from(duration).unwrap_or(i64::MAX),
        poster_url,
        year: item.year.map(|year| year.to_string()).unwrap_or_default(),
        tmdb_id: item.tmdb_id.clone().unwrap_or_default(),
        imdb_id: item.imdb_id.clone().unwrap_or_default(),
        episode: episode(item),
        summary: item.overview.as_deref().map(shortened).unwrap_or_default(),
        ..Item::default()
    })
}

/// `The Show – Pilot`; which episode it is stands beside it.
fn title(item: &LibraryItem) -> String {
    match &item.series_name {
        Some(series) => format!("{series} – {}", item.name),
        None => item.name.clone(),
    }
}

/// `S01E02`, as far as the numbers are known; empty for a film.
fn episode(item: &LibraryItem) -> String {
    match (item.season, item.episode) {
        (Some(season), Some(episode)) => format!("S{season:02}E{episode:02}"),
        (None, Some(episode)) => format!("E{episode:02}"),
        _ => String::new(),
    }
}

/// The first sentences that fit, else as many words as do.
fn shortened(text: &str) -> String {
    let text = text.trim();
    let Some((end, _)) = text.char_indices().nth(MAX_SUMMARY) else {
        return text.to_owned();
    };
    let head = &text[..end];
    let sentence = [". ", "! ", "? ", ".\n"];
    let last = sentence.iter().filter_map(|stop| head.rfind(stop)).max();
    if let Some(last) = last {
        // All of these are one byte long.
        return head[..=last].to_owned();
    }
    let words = head.rfind(char::is_whitespace).unwrap_or(end);
    format!("{}…", head[..words].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_end_with_a_sentence_where_they_can() {
        assert_eq!(shortened(" Short. "), "Short.");
        let sentences = "A sentence of some words. ".repeat(40);
        let short = shortened(&sentences);
        assert!(
            short.ends_with("words.") && short.len() <= MAX_SUMMARY,
            "{short}"
        );
        assert!(short.len() > MAX_SUMMARY / 2);
        let words = "wörter ".repeat(100);
        let short = shortened(&words);
        assert!(short.ends_with("wörter…"), "{short}");
        assert!(short.chars().count() <= MAX_SUMMARY);
        let one = "ä".repeat(1000);
        assert_eq!(shortened(&one).chars().count(), MAX_SUMMARY + 1);
    }

    #[test]
    fn episodes_say_of_what_and_which() {
        let mut item = LibraryItem {
            name: "Pilot".to_owned(),
            series_name: Some("The Show".to_owned()),
            season: Some(1),
            episode: Some(2),
            ..LibraryItem::default()
        };
        assert_eq!(
            (title(&item), episode(&item)),
            ("The Show – Pilot".to_owned(), "S01E02".to_owned())
        );
        item.season = None;
        assert_eq!(episode(&item), "E02");
        item.episode = None;
        assert_eq!(episode(&item), "");
    }
}
