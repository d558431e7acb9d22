//! A client's end of a WebRTC connection: str0m on a thread and a socket of its own.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::config::Fingerprint;
use str0m::format::{Codec, FormatParams};
use str0m::ice::IceCreds;
use str0m::media::{Frequency, KeyframeRequestKind, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// How long the thread sleeps at most: what it is told waits no longer.
const NAP: Duration = Duration::from_millis(2);

enum Told {
    Write {
        media: &'static str,
        rtp_time: MediaTime,
        wallclock: Instant,
        data: Vec<u8>,
    },
    Expect {
        ssrc: u32,
        rtx: u32,
    },
    AskForKeyFrame {
        ssrc: u32,
    },
}

/// What came of it so far.
#[derive(Default)]
pub struct Got {
    pub connected: bool,
    /// Times that a key frame was asked for.
    pub key_frame_requests: usize,
    /// What others sent.
    pub media: Vec<Vec<u8>>,
    /// Estimates of the bandwidth, by the server's feedback.
    pub estimates: usize,
}

/// Ends with its owner.
pub struct MediaClient {
    told: Sender<Told>,
    pub got: Arc<Mutex<Got>>,
}

/// A client that has not heard from the server yet.
pub struct Offering {
    rtc: Box<Rtc>,
    socket: UdpSocket,
    ufrag: String,
}

impl Offering {
    pub fn new() -> Self {
        Self::made(None)
    }

    /// One that estimates the bandwidth.
    pub fn estimating() -> Self {
        Self::made(Some(Bitrate::kbps(2_000)))
    }

    fn made(estimate: Option<Bitrate>) -> Self {
        let mut extensions = ExtensionMap::empty();
        extensions.set(2, Extension::AbsoluteSendTime);
        extensions.set(3, Extension::TransportSequenceNumber);
        extensions.set(5, Extension::PlayoutDelay);
        let mut config = Rtc::builder()
            .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()))
            .set_extension_map(extensions)
            .enable_bwe(estimate)
            .clear_codecs();
        let opus = FormatParams::default();
        let rate = Frequency::FORTY_EIGHT_KHZ;
        let codecs = config.codec_config();
        codecs.add_config(120.into(), None, Codec::Opus, rate, Some(2), opus);
        codecs.add_h264(101.into(), Some(102.into()), true, 0x42_e01f);
        let mut rtc = Box::new(config.build(Instant::now()));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap());
        let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
        Self { rtc, socket, ufrag }
    }

    /// The fragment of SDP for op 1.
    pub fn fragment(&mut self) -> String {
        let api = self.rtc.direct_api();
        let IceCreds { pass, .. } = api.local_ice_credentials();
        format!(
            "a=extmap-allow-mixed\na=ice-ufrag:{}\na=ice-pwd:{pass}\na=ice-options:trickle\n\
             a=fingerprint:{}\n\
             a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\n\
             a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n\
             a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\n\
             a=rtpmap:120 opus/48000/2\na=rtpmap:101 H264/90000\na=rtpmap:102 rtx/90000\n",
            self.ufrag,
            api.local_dtls_fingerprint()
        )
    }

    /// Takes the server's part from op 4 and begins.
    pub fn accept(mut self, sdp: &str, sound: u32, pictures: Option<(u32, u32)>) -> MediaClient {
        let find = |name: &str| {
            let mut lines = sdp.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .to_owned()
        };
        assert!(find("m=audio ").ends_with(" ICE/SDP"));
        let server: Vec<String> = find("a=candidate:").split(' ').map(str::to_owned).collect();
        let server: SocketAddr = format!("{}:{}", server[4], server[5]).parse().unwrap();
        let mut api = self.rtc.direct_api();
        api.set_ice_controlling(true);
        api.set_remote_ice_credentials(IceCreds {
            ufrag: find("a=ice-ufrag:"),
            pass: find("a=ice-pwd:"),
        });
        api.set_remote_fingerprint(find("a=fingerprint:").parse::<Fingerprint>().unwrap());
        api.declare_media("sound".into(), MediaKind::Audio);
        api.declare_stream_tx(sound.into(), None, "sound".into(), None);
        if let Some((ssrc, rtx)) = pictures {
            api.declare_media("pictures".into(), MediaKind::Video);
            api.declare_stream_tx(ssrc.into(), Some(rtx.into()), "pictures".into(), None);
        }
        api.start_dtls(true).unwrap();
        self.rtc
            .add_remote_candidate(Candidate::host(server, "udp").unwrap());
        let (told, orders) = channel();
        let got = Arc::new(Mutex::new(Got::default()));
        let shared = Arc::clone(&got);
        std::thread::spawn(move || run(*self.rtc, &self.socket, &orders, &shared));
        MediaClient { told, got }
    }
}

impl MediaClient {
    pub fn show(&self, picture: Vec<u8>, rtp_time: u64, wallclock: Instant) {
        self.tell(Told::Write {
            media: "pictures",
            rtp_time: MediaTime::from_90khz(rtp_time),
            wallclock,
            data: picture,
        });
    }

    pub fn say(&self, opus: Vec<u8>, rtp_time: u64, wallclock: Instant) {
        self.tell(Told::Write {
            media: "sound",
            rtp_time: MediaTime::new(rtp_time, Frequency::FORTY_EIGHT_KHZ),
            wallclock,
            data: opus,
        });
    }

    /// Looks at somebody's pictures.
    pub fn watch(&self, ssrc: u32, rtx: u32) {
        self.tell(Told::Expect { ssrc, rtx });
    }

    pub fn ask_for_key_frame(&self, ssrc: u32) {
        self.tell(Told::AskForKeyFrame { ssrc });
    }

    fn tell(&self, told: Told) {
        self.told.send(told).unwrap();
    }
}

fn run(mut rtc: Rtc, socket: &UdpSocket, orders: &Receiver<Told>, got: &Mutex<Got>) {
    let local = socket.local_addr().unwrap();
    let mut buffer = [0; 2048];
    loop {
        let due = loop {
            match rtc.poll_output().unwrap() {
                Output::Timeout(due) => break due,
                Output::Transmit(datagram) => {
                    socket
                        .send_to(&datagram.contents, datagram.destination)
                        .unwrap();
                }
                Output::Event(event) => note(event, &mut got.lock().unwrap()),
            }
        };
        match orders.try_recv() {
            Ok(told) => {
                obey(&mut rtc, told);
                rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
                continue;
            }
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        let nap = due.saturating_duration_since(Instant::now()).min(NAP);
        socket
            .set_read_timeout(Some(nap.max(Duration::from_micros(1))))
            .unwrap();
        let input = match socket.recv_from(&mut buffer) {
            Ok((length, source)) => {
                let Ok(contents) = buffer[..length].try_into() else {
                    continue;
                };
                let receive = Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: local,
                    contents,
                };
                Input::Receive(Instant::now(), receive)
            }
            Err(_) => Input::Timeout(Instant::now()),
        };
        rtc.handle_input(input).unwrap();
    }
}

fn obey(rtc: &mut Rtc, told: Told) {
    match told {
        Told::Write {
            media,
            rtp_time,
            wallclock,
            data,
        } => {
            let payload_type = if media == "sound" { 120 } else { 101 };
            let writer = rtc.writer(media.into()).unwrap();
            writer
                .write(payload_type.into(), wallclock, rtp_time, data)
                .unwrap();
        }
        Told::Expect { ssrc, rtx } => {
            let mid = Mid::from("watched");
            let mut api = rtc.direct_api();
            api.declare_media(mid, MediaKind::Video);
            api.expect_stream_rx(ssrc.into(), Some(rtx.into()), mid, None);
        }
        Told::AskForKeyFrame { ssrc } => {
            let mut api = rtc.direct_api();
            let stream = api.stream_rx(&ssrc.into()).unwrap();
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }
}

fn note(event: Event, got: &mut Got) {
    match event {
        Event::Connected => got.connected = true,
        Event::KeyframeRequest(_) => got.key_frame_requests += 1,
        Event::EgressBitrateEstimate(_) => got.estimates += 1,
        Event::MediaData(data) => got.media.push(data.data.to_vec()),
        _ => {}
    }
}
