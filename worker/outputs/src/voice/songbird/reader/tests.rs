#![allow(clippy::unwrap_used)]
use std::time::Duration;

use bytes::Bytes;
use orb_worker_media::{FrameQueue, OpusFrame};
use songbird::input::{Input, codecs::DcaReader};
use symphonia::core::{
    formats::{FormatOptions, FormatReader},
    io::{MediaSourceStream, MediaSourceStreamOptions},
};

use super::*;
use crate::voice::deck::Deck;

/// A tap that is joined and may speak, over `frames`.
fn reader(frames: &Arc<FrameQueue>) -> TalkReader {
    let deck = Arc::<Deck>::default();
    let tap = Tap::new(Arc::clone(&deck));
    let long_ago = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    let link = tap.new_link(1);
    tap.on_connected(link, 1, long_ago);
    deck.clock().play(Arc::clone(frames).into(), false);
    let talk = tap.begin_talk(Instant::now()).unwrap();
    TalkReader::new(tap, talk)
}

/// Packets of every length there is, in an order without a pattern.
fn packets() -> Vec<Bytes> {
    let length = |i: usize| 1 + (i * 7919) % 1276;
    let byte = |i: usize, at: usize| if at == 0 { 0xf8 } else { (i + at) as u8 };
    (0..1500)
        .map(|i| (0..length(i)).map(|at| byte(i, at)).collect())
        .collect()
}

#[test]
fn songbirds_reader_gets_every_packet_unchanged_and_none_before_it_asks() {
    let frames = FrameQueue::new(Duration::from_mins(1));
    let packets = packets();
    for (i, data) in packets.iter().enumerate() {
        frames
            .push(OpusFrame {
                pts_ms: 20 * i as u64,
                data: data.clone(),
            })
            .unwrap();
    }
    frames.finish();
    let stream = MediaSourceStream::new(
        Box::new(reader(&frames)),
        MediaSourceStreamOptions::default(),
    );
    let mut dca = DcaReader::try_new(stream, &FormatOptions::default()).unwrap();
    for (i, packet) in packets.iter().enumerate() {
        let left = Duration::from_millis(20 * (packets.len() - i) as u64);
        assert_eq!(frames.buffered(), left, "read ahead of packet {i}");
        assert_eq!(dca.next_packet().unwrap().buf(), &packet[..], "packet {i}");
    }
    assert!(dca.next_packet().is_err(), "drained");
}

#[test]
fn an_empty_queue_reads_as_silence_at_once() {
    let frames = FrameQueue::new(Duration::from_secs(1));
    let stream = MediaSourceStream::new(
        Box::new(reader(&frames)),
        MediaSourceStreamOptions::default(),
    );
    let mut dca = DcaReader::try_new(stream, &FormatOptions::default()).unwrap();
    assert_eq!(dca.next_packet().unwrap().buf(), OPUS_SILENCE);
}

#[test]
fn a_track_is_ready_without_a_frame_being_taken() {
    let frames = FrameQueue::new(Duration::from_secs(1));
    frames
        .push(OpusFrame {
            pts_ms: 0,
            data: Bytes::from_static(&[0xf8]),
        })
        .unwrap();
    let track = framing::track(reader(&frames));
    assert!(
        (track.volume - 1.0).abs() < f32::EPSILON,
        "any other volume would be decoded and mixed"
    );
    let Input::Live(live, _) = track.input else {
        panic!("not live")
    };
    assert!(live.is_playable());
    assert_eq!(frames.buffered(), Duration::from_millis(20));
}
