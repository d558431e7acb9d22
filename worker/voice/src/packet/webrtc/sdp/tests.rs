#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const FINGERPRINT: &str = "sha-256 4A:79:94:16:44:3F:BD:05:41:5A:AE:AB:2D:1F:D2:1A:E7:D5:4C:3E:F2:4B:9C:33:D7:4E:52:1B:92:\
     B6:3A:0F";

fn discords() -> String {
    format!(
        "m=audio 50004 ICE/SDP\na=fingerprint:{FINGERPRINT}\nc=IN IP4 66.22.1.2\na=rtcp:50004\na=ice-ufrag:6XGR\n\
         a=ice-pwd:O4x1qCWaA6TBzEOuZL1hRn\na=fingerprint:{FINGERPRINT}\n\
         a=candidate:1 1 UDP 4261412862 66.22.1.2 50004 typ host\n"
    )
}

/// Why Discord's description with a change is refused.
fn refused(from: &str, to: &str) -> Option<&'static str> {
    let text = discords();
    assert!(text.contains(from), "{from}");
    match Remote::parse(&text.replacen(from, to, 1)) {
        Err(PacketError::BadDescription(why)) => Some(why),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn reads_what_discord_says() {
    let remote = Remote::parse(&discords()).unwrap();
    assert_eq!(remote.ufrag, "6XGR");
    assert_eq!(remote.password, "O4x1qCWaA6TBzEOuZL1hRn");
    assert_eq!(remote.address, "66.22.1.2:50004".parse().unwrap());
    assert_eq!(
        (remote.fingerprint[0], remote.fingerprint[31]),
        (0x4a, 0x0f)
    );
    let other_ends = discords().replace('\n', "\r\n");
    assert_eq!(Remote::parse(&other_ends), Ok(remote));
}

#[test]
fn what_is_missing_or_malformed_is_refused() {
    assert_eq!(refused("a=ice-ufrag:", "a=other:"), Some("no ice-ufrag"));
    assert_eq!(refused("a=ice-pwd:", "a=other:"), Some("no ice-pwd"));
    assert_eq!(refused(":6XGR", ":6XG"), Some("ice credentials"));
    assert_eq!(refused(":6XGR", ":6X R"), Some("ice credentials"));
    assert_eq!(refused("qCWa", "\u{e9}"), Some("ice credentials"));
    assert_eq!(refused("sha-256", "sha-1"), Some("fingerprint"));
    assert_eq!(refused(":0F", ""), Some("fingerprint"));
    assert_eq!(refused(":0F", ":0F:00"), Some("fingerprint"));
    assert_eq!(refused(":0F", ":+F"), Some("fingerprint"));
    assert_eq!(refused(":0F", ":F"), Some("fingerprint"));
    assert_eq!(refused("c=IN", &"a=x:\n".repeat(2_000)), Some("too long"));
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    assert_eq!(refused(":0F", ":0E"), Some("it contradicts itself"));
    let two = "a=ice-ufrag:7XGR\na=rtcp:";
    assert_eq!(refused("a=rtcp:", two), Some("it contradicts itself"));
}

#[test]
fn a_candidate_is_a_host_for_udp_and_rtp() {
    let none = Some("no candidate that can be used");
    for (from, to) in [
        ("1 1 UDP", "1 2 UDP"),
        ("1 1 UDP", "1 1 TCP"),
        ("1 1 UDP", "1 UDP"),
        ("typ host", "typ relay"),
        ("typ host", "typ"),
        ("66.22.1.2 50004 typ", "66.22.1.2 0 typ"),
        ("66.22.1.2 50004 typ", "66.22.1.2 70000 typ"),
        ("66.22.1.2 50004 typ", "example.org 50004 typ"),
        ("66.22.1.2 50004 typ", "0.0.0.0 50004 typ"),
        ("66.22.1.2 50004 typ", "224.0.0.1 50004 typ"),
        ("66.22.1.2 50004 typ", "255.255.255.255 50004 typ"),
        ("66.22.1.2 50004 typ", "169.254.169.254 50004 typ"),
        ("66.22.1.2 50004 typ", ":: 50004 typ"),
        ("66.22.1.2 50004 typ", "ff02::1 50004 typ"),
        ("66.22.1.2 50004 typ", "::ffff:127.0.0.1 50004 typ"),
    ] {
        assert_eq!(refused(from, to), none, "{to}");
    }
    assert_eq!(
        refused("66.22.1.2 50004 typ", "2001:db8::1 50004 typ"),
        None
    );
}

#[test]
fn the_first_candidate_that_can_be_used_is_taken() {
    let more = "a=candidate:9 1 TCP 1 1.1.1.1 1 typ host\na=candidate:8 1 udp 1 2.2.2.2 2 typ host\na=candidate";
    let text = discords().replace("a=candidate", more);
    let remote = Remote::parse(&text).unwrap();
    assert_eq!(remote.address, "2.2.2.2:2".parse().unwrap());
}

#[test]
fn says_what_a_client_may_say() {
    let local = Local {
        ufrag: "abcd",
        password: "0123456789012345678901",
        fingerprint: FINGERPRINT,
        video: true,
    };
    let written = local.write();
    for line in [
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "a=rtpmap:120 opus/48000/2",
        "a=rtpmap:101 H264/90000",
        "a=rtpmap:102 rtx/90000",
    ] {
        assert!(written.lines().any(|written| written == line), "{line}");
    }
    assert!(!written.contains("candidate") && !written.contains("m="));
    let sound = Local {
        video: false,
        ..local
    };
    assert!(!sound.write().contains("H264"));
}

proptest! {
    #[test]
    fn any_text_is_a_description_or_an_error(text in "\\PC{0,300}") {
        let _ = Remote::parse(&text);
    }

    #[test]
    fn any_values_are_a_description_or_an_error(
        name in "(ice-ufrag|ice-pwd|fingerprint|candidate)", value in "[0-9A-Fa-f:. a-z-]{0,90}",
    ) {
        let _ = Remote::parse(&format!("{}a={name}:{value}\n", discords()));
        let _ = Remote::parse(&format!("a={name}:{value}\n{}", discords()));
    }
}
