//! What a client offers in op 1 with the protocol "webrtc": a fragment of SDP and a list of codecs.
//!
//! Checked as strictly as it is documented (userdoccers, "Establishing a Voice WebRTC Connection"): of its SDP a client
//! sends the lines about ICE, the fingerprint and header extensions, `extmap-allow-mixed` and `rtpmap`, and nothing
//! else. What a lenient server would overlook shall be seen here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use str0m::IceCreds;
use str0m::config::Fingerprint;

/// Beginnings of the lines that a client may send.
const ALLOWED: [&str; 5] = [
    "a=extmap-allow-mixed",
    "a=ice-",
    "a=fingerprint:",
    "a=extmap:",
    "a=rtpmap:",
];

/// Payload types that RTP leaves to those who talk (RFC 3551) begin here. The first is kept for probes.
const PROBE: u8 = 96;

/// An entry of `codecs` in op 1.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Codec {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// A smaller number is liked better.
    priority: u32,
    payload_type: u8,
    #[serde(default)]
    rtx_payload_type: Option<u8>,
}

/// The payload types of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    pub(crate) opus: u8,
    /// H.264 and its retransmissions.
    pub(crate) h264: Option<(u8, u8)>,
}

/// Everything that the media server needs to know of a client.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) ice: IceCreds,
    pub(crate) fingerprint: Fingerprint,
    /// Header extensions by their ids.
    pub(crate) extensions: BTreeMap<u8, String>,
    pub(crate) payload_types: PayloadTypes,
}

impl Offer {
    /// Reads `data` and `codecs`; says what is wrong with them.
    pub(crate) fn read(data: &Value, codecs: &[Codec]) -> Result<Self, String> {
        let fragment = data.as_str().ok_or("data is no sdp")?;
        let mut once: BTreeMap<&str, &str> = BTreeMap::new();
        let mut extensions = BTreeMap::new();
        for line in fragment.lines().filter(|line| !line.is_empty()) {
            if !ALLOWED.iter().any(|allowed| line.starts_with(allowed)) {
                let name = line.split(':').next().unwrap_or_default();
                return Err(format!(
                    "the line {name:?} does not belong into the fragment"
                ));
            }
            if let Some(extension) = line.strip_prefix("a=extmap:") {
                let (id, uri) = read_extension(extension)?;
                if extensions.insert(id, uri.to_owned()).is_some() {
                    return Err(format!("header extension {id} is named twice"));
                }
            } else if let Some((name, value)) = line.split_once(':')
                && matches!(name, "a=ice-ufrag" | "a=ice-pwd" | "a=fingerprint")
            {
                // Once a session and once a medium: the same, in a bundle.
                if once.insert(name, value).is_some_and(|other| other != value) {
                    return Err(format!("two different {name} lines"));
                }
            }
        }
        let get = |name| once.get(name).copied().ok_or(format!("no {name} line"));
        Ok(Self {
            ice: read_ice(get("a=ice-ufrag")?, get("a=ice-pwd")?)?,
            fingerprint: read_fingerprint(get("a=fingerprint")?)?,
            extensions,
            payload_types: read_codecs(codecs)?,
        })
    }
}

/// `<id>[/<direction>] <uri>` (RFC 8285, section 8).
fn read_extension(extension: &str) -> Result<(u8, &str), String> {
    let wrong = || format!("extmap {extension:?} cannot be read");
    let (id, uri) = extension.split_once(' ').ok_or_else(wrong)?;
    let id = id.split('/').next().unwrap_or(id);
    let id = id.parse().ok().filter(|id| (1..=14).contains(id));
    // Attributes of the extension may follow.
    let uri = uri.split(' ').next().filter(|uri| !uri.is_empty());
    id.zip(uri).ok_or_else(wrong)
}

/// Lengths as RFC 8839, section 5.4, has them.
fn read_ice(ufrag: &str, pass: &str) -> Result<IceCreds, String> {
    if !(4..=256).contains(&ufrag.len()) || !(22..=256).contains(&pass.len()) {
        return Err("ice-ufrag or ice-pwd is too short or too long".to_owned());
    }
    Ok(IceCreds {
        ufrag: ufrag.to_owned(),
        pass: pass.to_owned(),
    })
}

fn read_fingerprint(fingerprint: &str) -> Result<Fingerprint, String> {
    let read: Fingerprint = fingerprint
        .parse()
        .map_err(|error| format!("fingerprint: {error}"))?;
    if read.hash_func != "sha-256" || read.bytes.len() != 32 {
        return Err("the fingerprint is not of sha-256".to_owned());
    }
    Ok(read)
}

/// Picks opus, and H.264 where it is offered.
fn read_codecs(codecs: &[Codec]) -> Result<PayloadTypes, String> {
    let mut taken = BTreeSet::new();
    for codec in codecs {
        if codec.priority == 0 {
            return Err(format!("{} has no priority", codec.name));
        }
        let types = [Some(codec.payload_type), codec.rtx_payload_type];
        for payload_type in types.into_iter().flatten() {
            if !(PROBE + 1..128).contains(&payload_type) {
                return Err(format!("payload type {payload_type} cannot be had"));
            }
            if !taken.insert(payload_type) {
                return Err(format!("payload type {payload_type} is named twice"));
            }
        }
    }
    let find = |name: &str, kind| {
        let mut codecs = codecs.iter();
        codecs.find(|codec| codec.name.eq_ignore_ascii_case(name) && codec.kind == kind)
    };
    let opus = find("opus", "audio").ok_or("no opus among the codecs")?;
    let h264 = match find("H264", "video") {
        None => None,
        Some(codec) => {
            let rtx = codec.rtx_payload_type;
            let rtx = rtx.ok_or("H264 has no rtx_payload_type")?;
            Some((codec.payload_type, rtx))
        }
    };
    Ok(PayloadTypes {
        opus: opus.payload_type,
        h264,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const FINGERPRINT: &str = "a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    const ICE: &str = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=ice-options:trickle";

    fn codecs() -> Value {
        json!([
            {"name": "opus", "type": "audio", "priority": 1000, "payload_type": 120},
            {"name": "H264", "type": "video", "priority": 1000, "payload_type": 101,
             "rtx_payload_type": 102, "encode": true, "decode": false}
        ])
    }

    fn read(fragment: &str, codecs: Value) -> Result<Offer, String> {
        let codecs: Vec<Codec> = serde_json::from_value(codecs).unwrap();
        Offer::read(&json!(fragment), &codecs)
    }

    #[test]
    fn reads_what_a_browser_would_send() {
        let fragment = format!(
            "a=extmap-allow-mixed\r\n{ICE}\n{FINGERPRINT}\n\
             a=extmap:2/sendonly http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\n\
             a=extmap:5 urn:3gpp:video-orientation\na=rtpmap:120 opus/48000/2\n{ICE}\n"
        );
        let offer = read(&fragment, codecs()).unwrap();
        assert_eq!(offer.ice.ufrag, "abcd");
        assert_eq!(offer.fingerprint.bytes.len(), 32);
        assert_eq!(offer.extensions.len(), 2);
        assert_eq!(offer.extensions[&5], "urn:3gpp:video-orientation");
        let payload_types = PayloadTypes {
            opus: 120,
            h264: Some((101, 102)),
        };
        assert_eq!(offer.payload_types, payload_types);
    }

    #[test]
    fn says_what_is_wrong() {
        let fragment = format!("{ICE}\n{FINGERPRINT}\n");
        assert!(read(&fragment, codecs()).is_ok());
        for (more, what) in [
            ("v=0", "does not belong"),
            ("m=audio 9 UDP/TLS/RTP/SAVPF 120", "does not belong"),
            ("a=setup:active", "does not belong"),
            ("a=ice-ufrag:other", "two different"),
            ("a=extmap:0 urn:x", "cannot be read"),
            ("a=extmap:15 urn:x", "cannot be read"),
            ("a=extmap:1 urn:x\na=extmap:1 urn:y", "named twice"),
        ] {
            let error = read(&format!("{fragment}{more}\n"), codecs()).unwrap_err();
            assert!(error.contains(what), "{more}: {error}");
        }
        assert!(
            read(ICE, codecs())
                .unwrap_err()
                .contains("no a=fingerprint")
        );
        assert!(
            read(FINGERPRINT, codecs())
                .unwrap_err()
                .contains("no a=ice-ufrag")
        );
        let short = fragment.replace("abcd", "abc");
        assert!(read(&short, codecs()).unwrap_err().contains("too short"));
        let sha1 = fragment.replace("sha-256", "sha-1");
        assert!(
            read(&sha1, codecs())
                .unwrap_err()
                .contains("not of sha-256")
        );
        assert!(Offer::read(&json!({}), &[]).is_err());
    }

    #[test]
    fn codecs_must_make_sense() {
        let fragment = format!("{ICE}\n{FINGERPRINT}\n");
        let change = |at: &str, value: Value| {
            let mut codecs = codecs();
            *codecs.pointer_mut(at).unwrap() = value;
            read(&fragment, codecs)
        };
        assert!(
            change("/1/payload_type", json!(120))
                .unwrap_err()
                .contains("twice")
        );
        assert!(
            change("/1/payload_type", json!(96))
                .unwrap_err()
                .contains("cannot be had")
        );
        assert!(
            change("/0/payload_type", json!(128))
                .unwrap_err()
                .contains("cannot be had")
        );
        assert!(
            change("/1/rtx_payload_type", json!(null))
                .unwrap_err()
                .contains("no rtx")
        );
        assert!(
            change("/0/name", json!("pcm"))
                .unwrap_err()
                .contains("no opus")
        );
        assert!(
            change("/0/priority", json!(0))
                .unwrap_err()
                .contains("no priority")
        );
        let vp8 = change("/1/name", json!("VP8")).unwrap();
        assert_eq!(vp8.payload_types.h264, None);
    }
}
