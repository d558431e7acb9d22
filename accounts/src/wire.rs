//! The gateway's dispatches, as far as voice needs them.
//!
//! Only the fields in use are read: a guild has hundreds, and a new or odd one must not cost a
//! party. Shapes: Discord's "Gateway Events" (v10); those of streams, which Discord does not document, after userdoccers
//! (July 2026).

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde::{Deserialize, de::IgnoredAny};
use twilight_model::{
    gateway::event::GatewayEventDeserializer,
    id::{
        Id,
        marker::{ChannelMarker, GuildMarker, UserMarker},
    },
};

use crate::{
    LiveRefusal,
    stream_key::StreamKey,
    voice_states::{Server, StreamEnd},
};

/// `(user, channel, bot)` of everybody in a guild's voice channels.
pub(crate) type Seated = Vec<(u64, u64, bool)>;

/// A dispatch that matters here.
pub(crate) enum Dispatch {
    Ready {
        /// Guilds that are there at once, with who is in a voice channel. A bot's follow as [`Dispatch::Guild`].
        guilds: Vec<(u64, Seated)>,
    },
    Resumed,
    VoiceState {
        guild: u64,
        user: u64,
        channel: Option<u64>,
        session: String,
        /// Nothing where Discord did not say.
        bot: Option<bool>,
    },
    VoiceServer {
        guild: u64,
        server: Option<Server>,
    },
    Guild {
        guild: u64,
        states: Seated,
    },
    GuildGone {
        guild: u64,
    },
    StreamCreated {
        key: StreamKey,
        rtc_server_id: u64,
    },
    StreamServer {
        key: StreamKey,
        server: Option<Server>,
    },
    StreamUpdated {
        key: StreamKey,
        paused: bool,
    },
    StreamDeleted {
        key: StreamKey,
        end: StreamEnd,
    },
}

/// The dispatch in a gateway message; nothing for messages and events that do not matter.
/// An error says what could not be read, without its text: it may hold a voice token.
pub(crate) fn read(message: &str) -> Result<Option<Dispatch>, &'static str> {
    let Some(header) = GatewayEventDeserializer::from_json(message) else {
        return Ok(None);
    };
    let dispatch = match header.event_type() {
        Some("READY") => Dispatch::Ready {
            guilds: guilds_of_ready(message),
        },
        Some("RESUMED") => Dispatch::Resumed,
        Some("VOICE_STATE_UPDATE") => {
            let state: VoiceState = data(message).ok_or("VOICE_STATE_UPDATE")?;
            let Some(guild) = state.guild_id else {
                return Ok(None); // of a private call
            };
            Dispatch::VoiceState {
                guild: guild.get(),
                user: state.user_id.get(),
                channel: state.channel_id.map(Id::get),
                session: state.session_id.unwrap_or_default(),
                bot: state.member.map(|member| member.user.bot),
            }
        }
        Some("VOICE_SERVER_UPDATE") => {
            let update: VoiceServer = data(message).ok_or("VOICE_SERVER_UPDATE")?;
            Dispatch::VoiceServer {
                guild: update.guild_id.get(),
                server: update.endpoint.map(|endpoint| Server {
                    endpoint,
                    token: SecretString::from(update.token),
                }),
            }
        }
        Some("GUILD_CREATE") => {
            let guild: Guild = data(message).ok_or("GUILD_CREATE")?;
            if guild.unavailable {
                return Ok(None);
            }
            Dispatch::Guild {
                guild: guild.id.get(),
                states: guild.seated(),
            }
        }
        Some("GUILD_DELETE") => {
            let guild: Guild = data(message).ok_or("GUILD_DELETE")?;
            if guild.unavailable {
                return Ok(None); // an outage of Discord's: the bot is still a member
            }
            Dispatch::GuildGone {
                guild: guild.id.get(),
            }
        }
        Some(
            event @ ("STREAM_CREATE" | "STREAM_SERVER_UPDATE" | "STREAM_UPDATE" | "STREAM_DELETE"),
        ) => return stream(event, message),
        _ => return Ok(None),
    };
    Ok(Some(dispatch))
}

/// A READY whose guilds cannot be read is a READY all the same: then nobody knows who listens there.
fn guilds_of_ready(message: &str) -> Vec<(u64, Seated)> {
    let Some(ready) = data::<Ready>(message) else {
        tracing::error!("the guilds of a READY have another shape than documented");
        return Vec::new();
    };
    let there = ready.guilds.iter().filter(|guild| !guild.unavailable);
    there
        .map(|guild| (guild.id.get(), guild.seated()))
        .collect()
}

/// An event of a stream; nothing for those of private calls.
fn stream(event: &str, message: &str) -> Result<Option<Dispatch>, &'static str> {
    let dispatch = match event {
        "STREAM_CREATE" => {
            let created: StreamCreate = data(message).ok_or("STREAM_CREATE")?;
            let id = created.rtc_server_id.parse();
            let rtc_server_id = id.map_err(|_| "STREAM_CREATE")?;
            let key = created.stream_key.parse();
            key.map(|key| Dispatch::StreamCreated { key, rtc_server_id })
        }
        "STREAM_SERVER_UPDATE" => {
            let update: StreamServerUpdate = data(message).ok_or("STREAM_SERVER_UPDATE")?;
            let token = SecretString::from(update.token.unwrap_or_default());
            let server = update.endpoint.map(|endpoint| Server { endpoint, token });
            let key = update.stream_key.parse();
            key.map(|key| Dispatch::StreamServer { key, server })
        }
        "STREAM_UPDATE" => {
            let StreamUpdate { stream_key, paused } = data(message).ok_or("STREAM_UPDATE")?;
            let key = stream_key.parse();
            key.map(|key| Dispatch::StreamUpdated { key, paused })
        }
        _ => {
            let deleted: StreamDelete = data(message).ok_or("STREAM_DELETE")?;
            let end = deleted.end();
            let key = deleted.stream_key.parse();
            key.map(|key| Dispatch::StreamDeleted { key, end })
        }
    };
    Ok(dispatch.ok())
}

/// Whether this is op 10, the first message of every connection.
pub(crate) fn is_hello(message: &str) -> bool {
    const HELLO: u8 = 10;
    GatewayEventDeserializer::from_json(message).is_some_and(|header| header.op() == HELLO)
}

fn data<'a, T: Deserialize<'a>>(message: &'a str) -> Option<T> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        d: T,
    }
    let envelope: Envelope<T> = serde_json::from_str(message).ok()?;
    Some(envelope.d)
}

#[derive(Deserialize)]
struct VoiceState {
    guild_id: Option<Id<GuildMarker>>,
    channel_id: Option<Id<ChannelMarker>>,
    user_id: Id<UserMarker>,
    session_id: Option<String>,
    member: Option<Member>,
}

#[derive(Deserialize)]
struct Member {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: Id<UserMarker>,
    #[serde(default)]
    bot: bool,
}

#[derive(Deserialize)]
struct VoiceServer {
    guild_id: Id<GuildMarker>,
    endpoint: Option<String>,
    token: String,
}

#[derive(Deserialize)]
struct StreamCreate {
    stream_key: String,
    rtc_server_id: String,
}

#[derive(Deserialize)]
struct StreamServerUpdate {
    stream_key: String,
    endpoint: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct StreamUpdate {
    stream_key: String,
    #[serde(default)]
    paused: bool,
}

#[derive(Deserialize)]
struct StreamDelete {
    stream_key: String,
    reason: Option<String>,
    #[serde(default)]
    unavailable: bool,
}

impl StreamDelete {
    /// A reason that is not known may be mended by another try: those are few.
    fn end(&self) -> StreamEnd {
        if self.unavailable {
            return StreamEnd::Outage;
        }
        let refusal = match self.reason.as_deref() {
            Some("unauthorized") => LiveRefusal::Unauthorized,
            Some("stream_full") => LiveRefusal::StreamFull,
            Some("safety_guild_rate_limited") => LiveRefusal::GuildRateLimited,
            Some("invalid_channel") => LiveRefusal::InvalidChannel,
            Some("parse_failed") => LiveRefusal::KeyRefused,
            Some("user_requested") => return StreamEnd::ByHand,
            _ => return StreamEnd::Over,
        };
        StreamEnd::Refused(refusal)
    }
}

#[derive(Deserialize)]
struct Ready {
    #[serde(default)]
    guilds: Vec<Guild>,
}

/// Of READY, `GUILD_CREATE` and `GUILD_DELETE`.
#[derive(Deserialize)]
struct Guild {
    id: Id<GuildMarker>,
    #[serde(default)]
    unavailable: bool,
    #[serde(default)]
    voice_states: Vec<VoiceState>,
    /// Without the members intent: the bot itself and everybody in a voice channel.
    #[serde(default)]
    members: Vec<MemberOrNot>,
}

/// A member that does not look like one costs its `bot` flag, not the guild.
#[derive(Deserialize)]
#[serde(untagged)]
enum MemberOrNot {
    Member(Member),
    Other(IgnoredAny),
}

impl Guild {
    fn seated(&self) -> Seated {
        let members = self.members.iter().filter_map(|member| match member {
            MemberOrNot::Member(member) => Some(member),
            MemberOrNot::Other(_) => None,
        });
        let bots: BTreeSet<_> = members
            .filter(|member| member.user.bot)
            .map(|member| member.user.id)
            .collect();
        let seated = self.voice_states.iter().filter_map(|state| {
            let said = state.member.as_ref().is_some_and(|member| member.user.bot);
            let bot = said || bots.contains(&state.user_id);
            Some((state.user_id.get(), state.channel_id?.get(), bot))
        });
        seated.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read_one(text: &str) -> Dispatch {
        read(text).unwrap().unwrap()
    }

    #[test]
    fn what_does_not_matter_is_nothing() {
        for text in [
            r#"{"op":11}"#,
            r#"{"t":"TYPING_START","s":3,"op":0,"d":{}}"#,
            r#"{"t":"VOICE_STATE_UPDATE","s":3,"op":0,"d":{"channel_id":null,"user_id":"2"}}"#,
            r#"{"t":"GUILD_DELETE","s":3,"op":0,"d":{"id":"1","unavailable":true}}"#,
            "no json",
        ] {
            assert!(matches!(read(text), Ok(None)), "{text}");
        }
    }

    #[test]
    fn hello_is_no_dispatch() {
        let text = r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#;
        assert!(is_hello(text));
        assert!(matches!(read(text), Ok(None)));
        assert!(!is_hello(r#"{"op":11}"#));
    }

    #[test]
    fn what_cannot_be_read_is_named_without_its_text() {
        let text = r#"{"t":"VOICE_SERVER_UPDATE","s":3,"op":0,"d":{"token":"hush","guild_id":{}}}"#;
        assert_eq!(read(text).err(), Some("VOICE_SERVER_UPDATE"));
    }

    #[test]
    fn a_server_may_be_away() {
        let text = r#"{"t":"VOICE_SERVER_UPDATE","s":3,"op":0,"d":{"token":"t","guild_id":"1","endpoint":null}}"#;
        let Dispatch::VoiceServer { guild: 1, server } = read_one(text) else {
            panic!("a server update of guild 1");
        };
        assert!(server.is_none());
    }

    #[test]
    fn streams_are_read_by_their_key() {
        let text = r#"{"t":"STREAM_CREATE","s":3,"op":0,"d":{"stream_key":"guild:1:2:7",
            "rtc_server_id":"90","rtc_channel_id":"91","region":"x","viewer_ids":[],"paused":false}}"#;
        let Dispatch::StreamCreated { key, rtc_server_id } = read_one(text) else {
            panic!("a stream");
        };
        assert_eq!(
            (key.to_string().as_str(), rtc_server_id),
            ("guild:1:2:7", 90)
        );
        let text = r#"{"t":"STREAM_SERVER_UPDATE","s":3,"op":0,"d":{"stream_key":"guild:1:2:7",
            "guild_id":null,"token":"hush","endpoint":null}}"#;
        assert!(matches!(
            read_one(text),
            Dispatch::StreamServer { server: None, .. }
        ));
        let updated = r#"{"t":"STREAM_UPDATE","s":4,"op":0,"d":{"stream_key":"guild:1:2:7",
            "region":"x","viewer_ids":["8"],"paused":true}}"#;
        assert!(matches!(
            read_one(updated),
            Dispatch::StreamUpdated { paused: true, .. }
        ));
        let of_a_call = text.replace("guild:1:2:7", "call:2:7");
        assert!(matches!(read(&of_a_call), Ok(None)));
    }

    #[test]
    fn only_some_ends_of_a_stream_are_final() {
        let table = [
            (r#""reason":"stream_ended""#, StreamEnd::Over),
            (r#""reason":"user_requested""#, StreamEnd::ByHand),
            (r#""reason":"something_new""#, StreamEnd::Over),
            (
                r#""reason":"stream_ended","unavailable":true"#,
                StreamEnd::Outage,
            ),
            (
                r#""reason":"unauthorized""#,
                StreamEnd::Refused(LiveRefusal::Unauthorized),
            ),
            (
                r#""reason":"stream_full""#,
                StreamEnd::Refused(LiveRefusal::StreamFull),
            ),
            (
                r#""reason":"safety_guild_rate_limited""#,
                StreamEnd::Refused(LiveRefusal::GuildRateLimited),
            ),
        ];
        for (fields, expected) in table {
            let text = format!(
                r#"{{"t":"STREAM_DELETE","s":3,"op":0,"d":{{"stream_key":"guild:1:2:7",{fields}}}}}"#
            );
            let Dispatch::StreamDeleted { end, .. } = read_one(&text) else {
                panic!("an end");
            };
            assert_eq!(end, expected, "{fields}");
        }
    }

    #[test]
    fn a_users_ready_has_its_guilds() {
        let text = r#"{"t":"READY","s":1,"op":0,"d":{"guilds":[{"id":"4","unavailable":true},
            {"id":"1","members":[{"user":{"id":"3"}}],
            "voice_states":[{"channel_id":"9","user_id":"3","session_id":"b"}]}]}}"#;
        let Dispatch::Ready { guilds } = read_one(text) else {
            panic!("ready");
        };
        assert_eq!(guilds, [(1, vec![(3, 9, false)])]);
    }

    #[test]
    fn a_guild_tells_people_from_bots() {
        let text = r#"{"t":"GUILD_CREATE","s":3,"op":0,"d":{"id":"1","unavailable":false,
            "members":[{"user":{"id":"2","bot":true}},{"user":{"id":"3"}},{"odd":1}],
            "voice_states":[{"channel_id":"9","user_id":"2","session_id":"a"},
                {"channel_id":"9","user_id":"3","session_id":"b"},
                {"channel_id":null,"user_id":"4","session_id":"c"}]}}"#;
        let Dispatch::Guild { guild: 1, states } = read_one(text) else {
            panic!("guild 1");
        };
        assert_eq!(states, [(2, 9, true), (3, 9, false)]);
    }
}
