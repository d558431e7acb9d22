//! Items, queues, and what happened to them.

use orb_proto::v1;
use orb_scheduler_core::{
    AtQueueEnd, EntryId, Item, QueueChange, QueueEdit, QueueEntry, QueueStatus, QueueView,
};
use orb_scheduler_store::StoredEvent;

pub(crate) fn item(item: Item) -> v1::Item {
    v1::Item {
        queue_entry_id: item.external_id.unwrap_or_default(),
        item_id: item.item_id,
        source_id: item.source_id,
        title: item.title,
        media_type: item.media_type,
        stream_url: item.stream_url,
        download_url: item.download_url.unwrap_or_default(),
        duration_ms: item.duration_ms.unwrap_or_default() as i64,
        poster_url: item.poster_url.unwrap_or_default(),
        year: item.year.unwrap_or_default(),
        tmdb_id: item.tmdb_id.unwrap_or_default(),
        imdb_id: item.imdb_id.unwrap_or_default(),
        episode: item.episode.unwrap_or_default(),
        entry_id: item.entry.get(),
        summary: item.summary.unwrap_or_default(),
    }
}

/// For callers. The view bears no source URL.
pub(crate) fn queue(view: &QueueView) -> v1::Queue {
    v1::Queue {
        version: view.version,
        entries: view.entries.iter().map(entry).collect(),
    }
}

fn entry(entry: &QueueEntry) -> v1::QueueEntry {
    let mut message = v1::QueueEntry {
        item: Some(item(entry.item.clone())),
        created_at: Some(timestamp(entry.created_at)),
        actor: entry.actor.clone(),
        error: entry
            .error
            .as_ref()
            .map(|error| error.message.clone())
            .unwrap_or_default(),
        ..v1::QueueEntry::default()
    };
    message.set_status(match entry.status {
        QueueStatus::Queued => v1::QueueStatus::Queued,
        QueueStatus::Playing => v1::QueueStatus::Playing,
        QueueStatus::Played => v1::QueueStatus::Played,
        QueueStatus::Skipped => v1::QueueStatus::Skipped,
        QueueStatus::Failed => v1::QueueStatus::Failed,
    });
    message
}

/// `items` are those of an addition, checked.
pub(crate) fn edit(
    if_version: u64,
    edit: v1::edit_queue_request::Edit,
    items: Vec<Item>,
) -> QueueEdit {
    use v1::edit_queue_request::Edit;
    let change = match edit {
        Edit::Add(add) => QueueChange::Add {
            items,
            next: add.next,
        },
        Edit::Remove(remove) => QueueChange::Remove(entry_ids(remove.entry_ids)),
        Edit::Reorder(reorder) => QueueChange::Reorder(entry_ids(reorder.entry_ids)),
        Edit::Move(to) => QueueChange::Move {
            entry: EntryId::new(to.entry_id),
            to_index: to.to_index as usize,
        },
        Edit::Clear(_) => QueueChange::Clear,
    };
    QueueEdit {
        if_version: (if_version != 0).then_some(if_version),
        change,
    }
}

fn entry_ids(ids: Vec<u64>) -> Vec<EntryId> {
    ids.into_iter().map(EntryId::new).collect()
}

/// 0: none.
pub(crate) fn entry_id(id: u64) -> Option<EntryId> {
    (id != 0).then(|| EntryId::new(id))
}

pub(crate) fn at_queue_end(wanted: v1::AtQueueEnd, unless_said: AtQueueEnd) -> AtQueueEnd {
    match wanted {
        v1::AtQueueEnd::Unspecified => unless_said,
        v1::AtQueueEnd::Wait => AtQueueEnd::Wait,
        v1::AtQueueEnd::Leave => AtQueueEnd::Leave,
    }
}

pub(crate) fn event(event: StoredEvent) -> v1::Event {
    v1::Event {
        id: event.id,
        session_id: event.session.to_string(),
        event_type: event.event_type,
        payload_json: event.payload_json,
        created_at: Some(timestamp(event.created_at)),
    }
}

/// Of unix milliseconds.
pub(crate) fn timestamp(ms: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: ms.div_euclid(1000),
        nanos: (ms.rem_euclid(1000) * 1_000_000) as i32,
    }
}
