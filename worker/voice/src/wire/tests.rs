#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::{PictureFormat, StreamServer, VoiceServer, Wants, packet::VideoSsrcs};

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

fn format() -> PictureFormat {
    PictureFormat {
        width: 1280,
        height: 720,
        frame_rate: 23.976,
        bits_per_second: 2_500_000,
    }
}

/// userdoccers, "Voice Connections": what a client that goes live says.
#[test]
fn messages_to_a_stream_have_the_shapes_of_clients_that_go_live() {
    let stream = VoiceServer {
        stream: Some(StreamServer { rtc_server_id: 99 }),
        ..server()
    };
    let sent = |message: ClientMessage| match message.encode(&stream) {
        Encoded::Text(text) => serde_json::from_str(&text).unwrap(),
        Encoded::Binary(bytes) => json!(bytes),
    };
    assert_eq!(stream.dave_group(), 98);
    assert_eq!(
        sent(ClientMessage::Identify),
        json!({"op": 0, "d": {
            "server_id": "99", "user_id": "12", "session_id": "s3ss10n", "token": "t0k3n",
            "max_dave_protocol_version": 1, "video": true,
            "streams": [{"type": "screen", "rid": "100", "quality": 100}]
        }})
    );
    let resumed = sent(ClientMessage::Resume { seq_ack: None });
    assert_eq!(resumed["d"]["server_id"], "99");
    let offer = Offer {
        sdp: "a=ice-ufrag:x\n".to_owned(),
        connection: uuid::Uuid::from_u128(7),
    };
    assert_eq!(
        sent(ClientMessage::SelectWebRtc(offer)),
        json!({"op": 1, "d": {
            "protocol": "webrtc", "data": "a=ice-ufrag:x\n", "sdp": "a=ice-ufrag:x\n",
            "rtc_connection_id": "00000000-0000-0000-0000-000000000007",
            "codecs": [
                {"name": "opus", "type": "audio", "priority": 1000, "payload_type": 120},
                {"name": "H264", "type": "video", "priority": 1000, "payload_type": 101,
                 "rtx_payload_type": 102, "encode": true, "decode": false}
            ]
        }})
    );
    let soundshare = ClientMessage::Speaking {
        speaking: Speaking::Soundshare,
        ssrc: 9,
    };
    assert_eq!(sent(soundshare)["d"]["speaking"], 2);
    assert_eq!(
        sent(ClientMessage::SinkWants),
        json!({"op": 15, "d": {"any": 100}})
    );
}

#[test]
fn pictures_are_announced_and_taken_back() {
    let video = |format| {
        sent(&ClientMessage::Video(Video {
            audio_ssrc: 1,
            pictures: VideoSsrcs { ssrc: 2, rtx: 3 },
            format,
        }))
    };
    assert_eq!(
        video(Some(format())),
        json!({"op": 12, "d": {
            "audio_ssrc": 1, "video_ssrc": 2, "rtx_ssrc": 3,
            "streams": [{
                "type": "screen", "rid": "100", "quality": 100, "ssrc": 2, "rtx_ssrc": 3,
                "active": true, "max_bitrate": 2_500_000, "max_framerate": 24,
                "max_resolution": {"type": "fixed", "width": 1280, "height": 720}
            }]
        }})
    );
    assert_eq!(
        video(None),
        json!({"op": 12, "d": {
            "audio_ssrc": 1, "video_ssrc": 0, "rtx_ssrc": 0, "streams": []
        }})
    );
}

fn read(text: &str) -> ServerMessage {
    Numbered::from_text(text).unwrap().message
}

#[test]
fn what_a_stream_s_server_says_is_read() {
    let ready = read(
        r#"{"op":2,"d":{"ssrc":1,"ip":"127.0.0.1","port":9,"modes":["m"],"streams":[
            {"type":"screen","rid":"100","ssrc":2,"rtx_ssrc":3,"quality":100,"active":false}]}}"#,
    );
    let ServerMessage::Ready { pictures, .. } = ready else {
        panic!("{ready:?}")
    };
    assert_eq!(pictures, Some(VideoSsrcs { ssrc: 2, rtx: 3 }));
    for (codec, expected) in [
        (r#","video_codec":"H264""#, Some(PictureCodec::H264)),
        (r#","video_codec":"AV1""#, Some(PictureCodec::Other)),
        ("", None),
    ] {
        let text = format!(
            r#"{{"op":4,"d":{{"sdp":"m=audio 9 ICE/SDP\n","audio_codec":"opus","media_session_id":"x",
                "dave_protocol_version":1{codec}}}}}"#
        );
        let described = read(&text);
        let ServerMessage::SessionDescription {
            answer: Answer::WebRtc { sdp, pictures },
            dave_version: 1,
        } = described
        else {
            panic!("{described:?}")
        };
        assert_eq!((sdp.as_str(), pictures), ("m=audio 9 ICE/SDP\n", expected));
    }
    let updated = read(r#"{"op":14,"d":{"video_codec":"VP8","keyframe_interval":5}}"#);
    let pictures = Some(PictureCodec::Other);
    assert!(matches!(updated, ServerMessage::SessionUpdate { pictures: read } if read == pictures));
}

#[test]
fn a_description_that_is_too_long_is_none() {
    let text = |length| json!({"op": 4, "d": {"sdp": "x".repeat(length)}}).to_string();
    assert!(Numbered::from_text(&text(16 << 10)).is_ok());
    assert!(Numbered::from_text(&text((16 << 10) + 1)).is_err());
}

#[test]
fn wants_are_those_of_the_pictures_alone_and_a_long_list_is_cut() {
    let read_wants = |text: &str| match read(text) {
        ServerMessage::SinkWants(wants) => wants,
        other => panic!("{other:?}"),
    };
    let wants = read_wants(
        r#"{"op":15,"d":{"any":100,"7":50,"pixelCounts":{"7":921600.0,"8":4e99,"x":1}}}"#,
    );
    assert_eq!(wants.of(7).pixels, Some(921_600));
    assert_eq!(wants.of(8).pixels, Some(u32::MAX));
    assert_eq!(wants.of(9), Wants::default());
    assert_eq!(
        read_wants(r#"{"op":15,"d":{"any":0}}"#),
        SinkWants::default()
    );
    let long: serde_json::Map<_, _> = (0..10_000).map(|n| (n.to_string(), json!(1))).collect();
    let wants = read_wants(&json!({"op": 15, "d": {"pixelCounts": long}}).to_string());
    let kept = (0..10_000).filter(|ssrc| wants.of(*ssrc).pixels.is_some());
    assert_eq!(kept.count(), 64);
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
