//! What is said on a user's gateway connection, apart from the events themselves. Pure.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{GatewaySession, voice_states::GatewayCommand};

/// A message from Discord, as far as the connection needs it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Incoming {
    /// Op 10: the time between two heartbeats.
    Hello(Duration),
    /// Op 1.
    HeartbeatWanted,
    /// Op 11.
    Acknowledged,
    /// Op 7.
    Reconnect,
    /// Op 9.
    InvalidSession { resumable: bool },
    /// Op 0. `ready`: session id and resume URL, in READY.
    Dispatch {
        sequence: u64,
        ready: Option<(String, String)>,
    },
}

/// What follows from a close code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SessionEnd {
    Resume,
    Identify,
    Fatal,
}

/// Discord's "Gateway close event codes"; those that no documentation has are tried again.
pub(super) fn after_close(code: u16) -> SessionEnd {
    match code {
        4004 | 4010..=4014 => SessionEnd::Fatal,
        // Sequence or session are not known any more.
        4003 | 4007 | 4009 => SessionEnd::Identify,
        _ => SessionEnd::Resume,
    }
}

#[derive(Deserialize)]
struct Envelope {
    op: u8,
    s: Option<u64>,
    t: Option<String>,
}

#[derive(Deserialize)]
struct With<T> {
    d: T,
}

#[derive(Deserialize)]
struct HelloData {
    heartbeat_interval: u64,
}

#[derive(Deserialize)]
struct ReadyData {
    session_id: String,
    resume_gateway_url: String,
}

/// Nothing for what cannot be read, and for what does not matter.
pub(super) fn read(text: &str) -> Option<Incoming> {
    let Envelope { op, s, t } = serde_json::from_str(text).ok()?;
    match op {
        0 => {
            let ready = match t.as_deref() {
                Some("READY") => {
                    let With { d } = serde_json::from_str::<With<ReadyData>>(text).ok()?;
                    Some((d.session_id, d.resume_gateway_url))
                }
                _ => None,
            };
            Some(Incoming::Dispatch {
                sequence: s?,
                ready,
            })
        }
        1 => Some(Incoming::HeartbeatWanted),
        7 => Some(Incoming::Reconnect),
        9 => {
            let resumable = serde_json::from_str::<With<bool>>(text);
            Some(Incoming::InvalidSession {
                resumable: resumable.is_ok_and(|with| with.d),
            })
        }
        10 => {
            let With { d } = serde_json::from_str::<With<HelloData>>(text).ok()?;
            let interval = Duration::from_millis(d.heartbeat_interval);
            // An interval of nothing would be a flood.
            (!interval.is_zero()).then_some(Incoming::Hello(interval))
        }
        11 => Some(Incoming::Acknowledged),
        _ => None,
    }
}

/// Op 2. No intents, capabilities, presence or build number: Discord asks users for none, and the properties say what
/// this is.
pub(super) fn identify(token: &SecretString) -> String {
    let properties = json!({"os": std::env::consts::OS, "browser": "orb", "device": "orb"});
    let d = json!({"token": token.expose_secret(), "properties": properties, "compress": false});
    json!({"op": 2, "d": d}).to_string()
}

/// Op 6.
pub(super) fn resume(token: &SecretString, session: &GatewaySession) -> String {
    let d = json!({
        "token": token.expose_secret(), "session_id": session.id, "seq": session.sequence
    });
    json!({"op": 6, "d": d}).to_string()
}

/// Op 1.
pub(super) fn heartbeat(sequence: Option<u64>) -> String {
    json!({"op": 1, "d": sequence}).to_string()
}

/// Ops 4, 18, 19 and 22. Ids are strings, as Discord writes them.
pub(super) fn command(command: GatewayCommand) -> String {
    let (op, d): (u8, Value) = match command {
        GatewayCommand::SetVoiceState { guild, channel } => {
            let channel = channel.map(|channel| channel.to_string());
            let d = json!({
                "guild_id": guild.to_string(), "channel_id": channel,
                // Deaf: there is no use for what others say, and Discord need not send it.
                "self_mute": false, "self_deaf": true, "self_video": false
            });
            (4, d)
        }
        GatewayCommand::CreateStream(key) => {
            let d = json!({
                "type": "guild", "guild_id": key.guild.to_string(),
                "channel_id": key.channel.to_string(), "preferred_region": null
            });
            (18, d)
        }
        GatewayCommand::DeleteStream(key) => (19, json!({"stream_key": key.to_string()})),
        GatewayCommand::PauseStream(key, paused) => {
            (22, json!({"stream_key": key.to_string(), "paused": paused}))
        }
    };
    json!({"op": op, "d": d}).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::stream_key::StreamKey;

    #[test]
    fn messages_are_read_and_nonsense_is_nothing() {
        let hello = r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#;
        let interval = Duration::from_millis(41_250);
        assert_eq!(read(hello), Some(Incoming::Hello(interval)));
        let ready =
            r#"{"op":0,"s":1,"t":"READY","d":{"session_id":"a","resume_gateway_url":"wss://b"}}"#;
        let session = Some(("a".to_owned(), "wss://b".to_owned()));
        let expected = Incoming::Dispatch {
            sequence: 1,
            ready: session,
        };
        assert_eq!(read(ready), Some(expected));
        for (text, resumable) in [(r#"{"op":9,"d":true}"#, true), (r#"{"op":9}"#, false)] {
            assert_eq!(read(text), Some(Incoming::InvalidSession { resumable }));
        }
        for text in [
            "",
            "{}",
            r#"{"op":10,"d":{"heartbeat_interval":0}}"#,
            r#"{"op":0,"t":"READY","s":1,"d":{}}"#,
            r#"{"op":0,"t":"X"}"#,
            r#"{"op":99}"#,
            r#"{"op":-1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn identify_says_what_it_is_and_sends_no_intents() {
        let value: Value = serde_json::from_str(&identify(&"abc".into())).unwrap();
        assert_eq!(value["d"]["token"], "abc");
        assert_eq!(value["d"]["properties"]["browser"], "orb");
        for field in [
            "intents",
            "shard",
            "capabilities",
            "presence",
            "client_state",
        ] {
            assert!(value["d"].get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn commands_are_as_documented() {
        let key = StreamKey {
            guild: 1,
            channel: 2,
            user: 3,
        };
        let sent = |one| serde_json::from_str::<Value>(&command(one)).unwrap();
        let expected = json!({"op": 18, "d": {
            "type": "guild", "guild_id": "1", "channel_id": "2", "preferred_region": null
        }});
        assert_eq!(sent(GatewayCommand::CreateStream(key)), expected);
        let expected = json!({"op": 19, "d": {"stream_key": "guild:1:2:3"}});
        assert_eq!(sent(GatewayCommand::DeleteStream(key)), expected);
        let expected = json!({"op": 22, "d": {"stream_key": "guild:1:2:3", "paused": true}});
        assert_eq!(sent(GatewayCommand::PauseStream(key, true)), expected);
        let (guild, channel) = (1, None);
        let leave = sent(GatewayCommand::SetVoiceState { guild, channel });
        assert_eq!(leave["d"]["channel_id"], Value::Null);
    }

    #[test]
    fn close_codes_are_judged() {
        assert_eq!(after_close(4004), SessionEnd::Fatal);
        assert_eq!(after_close(4009), SessionEnd::Identify);
        for code in [1000, 1001, 1006, 4000, 4008, 4015] {
            assert_eq!(after_close(code), SessionEnd::Resume, "{code}");
        }
    }
}
