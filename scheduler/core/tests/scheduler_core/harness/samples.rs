//! One of each: what events are made of.
#![allow(unreachable_pub, missing_docs, clippy::default_trait_access)]

use orb_scheduler_core::{
    AtQueueEnd, EntryId, Incarnation, Item, Observed, Request, VoiceCredentials, WorkerId,
    WorkerRegistration,
};

use super::{ACCOUNT, GUILD};

pub(super) fn registration(
    worker: &str,
    incarnation: &str,
    total_millicores: u32,
    sessions: Vec<Observed>,
) -> WorkerRegistration {
    WorkerRegistration {
        worker: WorkerId::new(worker),
        incarnation: Incarnation::new(incarnation),
        total_millicores,
        free_millicores: total_millicores,
        draining: false,
        go_live: false,
        sessions,
    }
}

pub fn create(guild: u64) -> Request {
    Request::Create {
        guild_id: guild.to_string(),
        voice_channel_id: "456".to_owned(),
        text_channel_id: "789".to_owned(),
        worker_session_id: "worker-session".to_owned(),
        title: String::new(),
        owner_user_id: String::new(),
        at_queue_end: AtQueueEnd::Wait,
        go_live: None,
    }
}

pub fn credentials(token: &str) -> VoiceCredentials {
    VoiceCredentials {
        guild_id: GUILD,
        channel_id: 456,
        user_id: ACCOUNT.get(),
        voice_session_id: "voice-session".to_owned(),
        endpoint: "localhost:1".to_owned(),
        token: token.to_owned(),
        revision: Default::default(),
        stream: None,
    }
}

pub fn item(entry: i64) -> Item {
    Item {
        entry: EntryId::default(),
        external_id: Some(entry),
        item_id: format!("item-{entry}"),
        source_id: "source".to_owned(),
        title: format!("Film {entry}"),
        media_type: "movie".to_owned(),
        stream_url: "http://jellyfin/stream".to_owned(),
        download_url: None,
        duration_ms: Some(60_000),
        poster_url: None,
        year: None,
        tmdb_id: None,
        imdb_id: None,
        episode: None,
        summary: None,
    }
}
