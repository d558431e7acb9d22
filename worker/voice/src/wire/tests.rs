#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::VoiceServer;

fn server() -> VoiceServer {
    VoiceServer {
        endpoint: "localhost:1".to_owned(),
        guild_id: 10,
        channel_id: 11,
        user_id: 12,
        session_id: SecretString::from("s3ss10n"),
        token: SecretString::from("t0k3n"),
        stream: None,
    }
}

fn sent(message: &ClientMessage) -> Value {
    match message.encode(&server()) {
        Encoded::Text(text) => serde_json::from_str(&text).unwrap(),
        Encoded::Binary(bytes) => json!(bytes),
    }
}

#[test]
fn client_messages_have_the_documented_shapes() {
    assert_eq!(
        sent(&ClientMessage::Identify),
        json!({"op": 0, "d": {
            "server_id": "10", "user_id": "12", "session_id": "s3ss10n", "token": "t0k3n",
            "max_dave_protocol_version": 1
        }})
    );
    assert_eq!(
        sent(&ClientMessage::Resume { seq_ack: Some(7) }),
        json!({"op": 7, "d": {
            "server_id": "10", "session_id": "s3ss10n", "token": "t0k3n", "seq_ack": 7
        }})
    );
    assert_eq!(
        sent(&ClientMessage::Heartbeat {
            nonce: 5,
            seq_ack: None
        }),
        json!({"op": 3, "d": {"t": 5, "seq_ack": -1}})
    );
    assert_eq!(
        sent(&ClientMessage::Speaking {
            speaking: Speaking::Microphone,
            ssrc: 9
        }),
        json!({"op": 5, "d": {"speaking": 1, "delay": 0, "ssrc": 9}})
    );
    assert_eq!(
        sent(&ClientMessage::CommitWelcome {
            commit: vec![1, 2],
            welcome: Some(vec![3])
        }),
        json!([28, 1, 2, 3])
    );
}

#[test]
fn server_messages_are_read_with_their_sequence_number() {
    let read = Numbered::from_text(r#"{"op":13,"d":{"user_id":"42"},"seq":3}"#).unwrap();
    assert_eq!(read.seq, Some(3));
    assert!(matches!(read.message, ServerMessage::ClientDisconnect(42)));

    let read = Numbered::from_binary(&[1, 2, 29, 0, 5, 9, 9]).unwrap();
    assert_eq!(read.seq, Some(0x0102));
    let ServerMessage::Dave(message) = read.message else {
        panic!("{:?}", read.message)
    };
    let commit = vec![9, 9];
    assert_eq!(
        message,
        DaveMessage::AnnounceCommit {
            transition: 5,
            commit
        }
    );
}

#[test]
fn a_missing_dave_version_is_zero() {
    let key = vec![7; 32];
    let text = json!({"op": 4, "d": {"mode": "m", "secret_key": key}}).to_string();
    let read = Numbered::from_text(&text).unwrap();
    assert!(matches!(
        read.message,
        ServerMessage::SessionDescription {
            dave_version: 0,
            ..
        }
    ));
}

#[test]
fn an_unknown_message_is_no_error() {
    let read = Numbered::from_text(r#"{"op":20,"d":{"any":[1]}}"#).unwrap();
    assert!(matches!(read.message, ServerMessage::Other { op: 20 }));
}

#[test]
fn errors_quote_nothing_of_what_was_sent() {
    let error = Numbered::from_text(r#"{"op":4,"d":{"mode":"m","secret_key":"hunter2"}}"#);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("op 4") && !error.contains("hunter2"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
        let _ = Numbered::from_binary(&bytes);
    }

    #[test]
    fn any_text_is_a_message_or_an_error(op in 0_u8..40, data in "\\PC{0,40}", text in "\\PC{0,80}") {
        let _ = Numbered::from_text(&text);
        let _ = Numbered::from_text(&format!(r#"{{"op":{op},"d":{data}}}"#));
    }
}
