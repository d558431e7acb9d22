//! Shapes of what REST and the main gateway send, as far as clients read them.
//!
//! Fields follow Discord's documentation of v10; twilight's and serenity's models both parse them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::accounts::Account;
use crate::voice_states::VoiceState;
use crate::{ChannelId, GuildId, Shard, UserId};

/// Discord timestamps that nothing depends on.
const LONG_AGO: &str = "2024-01-01T00:00:00.000000+00:00";

pub(crate) fn user(account: &Account) -> Value {
    user_named(account.user, &account.name(), !account.is_user)
}

fn user_named(id: UserId, name: &str, bot: bool) -> Value {
    json!({
        "id": id, "username": name, "discriminator": "0000", "global_name": null,
        "avatar": null, "banner": null, "accent_color": null, "bot": bot, "system": false,
        "verified": true, "mfa_enabled": false, "email": null, "flags": 0, "public_flags": 0,
        "locale": "en-US"
    })
}

pub(crate) fn application(account: &Account) -> Value {
    json!({
        "id": account.user, "name": account.name(), "icon": null, "description": "",
        "bot_public": false, "bot_require_code_grant": false, "summary": "",
        "verify_key": "0".repeat(64), "team": null, "flags": 0, "bot": user(account)
    })
}

/// The READY event's data for a bot. Guilds are announced as unavailable and follow as `GUILD_CREATE`.
pub(crate) fn ready(
    account: &Account,
    session: &str,
    resume_url: &str,
    guilds: &BTreeSet<GuildId>,
    shard: Shard,
) -> Value {
    let guilds: Vec<Value> = guilds
        .iter()
        .map(|id| json!({"id": id, "unavailable": true}))
        .collect();
    json!({
        "v": 10, "user": user(account), "guilds": guilds, "session_id": session,
        "resume_gateway_url": resume_url, "shard": shard.to_json(),
        "application": {"id": account.user, "flags": 0}
    })
}

/// The READY event's data for a user: all its guilds are there at once (userdoccers, "Ready").
pub(crate) fn ready_of_user(
    account: &Account,
    session: &str,
    resume_url: &str,
    guilds: &[Value],
) -> Value {
    json!({
        "v": 10, "user": user(account), "guilds": guilds, "session_id": session,
        "resume_gateway_url": resume_url, "session_type": "normal", "private_channels": [],
        "relationships": [], "presences": [], "users": []
    })
}

/// `GUILD_CREATE`: the guild with the voice channels that calls are known in.
pub(crate) fn guild_create(
    guild: GuildId,
    channels: &BTreeSet<ChannelId>,
    voice_states: &[Value],
    members: &[Value],
) -> Value {
    let channels: Vec<Value> = channels
        .iter()
        .enumerate()
        .map(|(position, id)| voice_channel(guild, *id, position))
        .collect();
    json!({
        "id": guild, "name": format!("guild {guild}"), "icon": null, "icon_hash": null,
        "splash": null, "discovery_splash": null, "owner_id": "9", "afk_channel_id": null,
        "afk_timeout": 300, "widget_enabled": null, "widget_channel_id": null,
        "verification_level": 0, "default_message_notifications": 0,
        "explicit_content_filter": 0, "roles": [], "emojis": [], "features": [], "mfa_level": 0,
        "application_id": null, "system_channel_id": null, "system_channel_flags": 0,
        "rules_channel_id": null, "vanity_url_code": null, "description": null, "banner": null,
        "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US",
        "public_updates_channel_id": null, "nsfw_level": 0, "stickers": [],
        "premium_progress_bar_enabled": false, "safety_alerts_channel_id": null,
        "joined_at": LONG_AGO, "large": false, "unavailable": false,
        "member_count": members.len() + 1, "voice_states": voice_states, "members": members,
        "channels": channels, "threads": [], "presences": [], "stage_instances": [],
        "guild_scheduled_events": []
    })
}

pub(crate) fn voice_channel(guild: GuildId, id: ChannelId, position: usize) -> Value {
    json!({
        "id": id, "type": 2, "guild_id": guild, "position": position,
        "permission_overwrites": [], "name": format!("voice {id}"), "nsfw": false,
        "bitrate": 64_000, "user_limit": 0, "rtc_region": null, "parent_id": null
    })
}

/// A client's `VOICE_STATE_UPDATE`; `None` as channel: it has left.
pub(crate) fn client_voice_state(
    guild: GuildId,
    account: &Account,
    state: &VoiceState,
    channel: Option<ChannelId>,
) -> Value {
    voice_state(
        guild,
        channel,
        &user(account),
        &state.voice_session,
        (state.self_mute, state.self_deaf),
    )
}

/// A guest's `VOICE_STATE_UPDATE`: a person, not a bot.
pub(crate) fn guest_voice_state(
    guild: GuildId,
    guest: UserId,
    state: &VoiceState,
    channel: Option<ChannelId>,
) -> Value {
    voice_state(
        guild,
        channel,
        &user_named(guest, &format!("guest-{guest}"), false),
        &state.voice_session,
        (state.self_mute, state.self_deaf),
    )
}

/// The `VOICE_STATE_UPDATE` of a simulated member; `None` as channel: it has left.
pub(crate) fn member_voice_state(
    guild: GuildId,
    channel: Option<ChannelId>,
    member: UserId,
) -> Value {
    voice_state(
        guild,
        channel,
        &user_named(member, "listener", false),
        &format!("listener-{member}"),
        (false, false),
    )
}

pub(crate) fn listening_member(member: UserId) -> Value {
    member_of(&user_named(member, "listener", false))
}

fn voice_state(
    guild: GuildId,
    channel: Option<ChannelId>,
    user: &Value,
    session: &str,
    (self_mute, self_deaf): (bool, bool),
) -> Value {
    json!({
        "guild_id": guild, "channel_id": channel, "user_id": user["id"],
        "member": member_of(user), "session_id": session, "deaf": false, "mute": false,
        "self_deaf": self_deaf, "self_mute": self_mute, "self_stream": false,
        "self_video": false, "suppress": false, "request_to_speak_timestamp": null
    })
}

fn member_of(user: &Value) -> Value {
    json!({
        "user": user, "nick": null, "avatar": null, "banner": null, "roles": [],
        "joined_at": LONG_AGO, "premium_since": null, "deaf": false, "mute": false, "flags": 0,
        "pending": false, "communication_disabled_until": null
    })
}

/// A message as `POST /channels/{id}/messages` answers it.
pub(crate) fn message(id: u64, channel: ChannelId, account: &Account, body: &Value) -> Value {
    let or = |field: &str, default: Value| body.get(field).cloned().unwrap_or(default);
    json!({
        "id": id.to_string(), "channel_id": channel, "author": user(account),
        "content": or("content", json!("")), "timestamp": LONG_AGO, "edited_timestamp": null,
        "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [],
        "attachments": [], "embeds": or("embeds", json!([])),
        "components": or("components", json!([])), "pinned": false, "type": 0, "flags": 0
    })
}
