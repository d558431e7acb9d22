#![allow(clippy::unwrap_used)]
use super::*;
use crate::sockets::loopback;
use crate::{ChannelId, GuildId};

const SECOND: Duration = Duration::from_secs(1);

fn connection(start: Instant) -> SeenConnection {
    SeenConnection {
        info: ConnectionInfo {
            ssrc: 5,
            guild: GuildId(1),
            channel: ChannelId(2),
            user: UserId(3),
            source: loopback(4),
            dave: true,
            stream: Some(9),
            opened_at: start,
        },
        closed_at: None,
        counters: SeenCounters::default(),
        pictures: Vec::new(),
        reports: Vec::new(),
        announced: Vec::new(),
        queue: Vec::new(),
    }
}

fn picture(at: Instant, idr: bool, decodable: bool, data: &'static [u8]) -> SeenPicture {
    SeenPicture {
        first_at: at,
        at,
        unix_ns: 0,
        rtp_time: 0,
        data: (!data.is_empty()).then(|| Bytes::from_static(data)),
        bytes: data.len(),
        packets: 1,
        retransmitted: 0,
        idr,
        dave_encrypted: true,
        decrypted: true,
        decodable,
        in_the_clear: false,
        downgraded: false,
    }
}

fn seen(connection: SeenConnection) -> Seen {
    Seen {
        connections: vec![connection],
        clock: SimClock::start(),
        taken_at: Instant::now(),
    }
}

#[test]
fn a_gap_is_between_pictures_that_can_be_shown() {
    let start = Instant::now();
    let mut one = connection(start);
    assert_eq!(one.longest_gap(), None);
    // The second waits for a packet: the third, there before it, is shown with it.
    for (ms, decodable) in [(0, true), (90, true), (60, true), (100, false), (120, true)] {
        let at = start + Duration::from_millis(ms);
        one.pictures.push(picture(at, false, decodable, b"x"));
    }
    assert_eq!(one.longest_gap(), Some(Duration::from_millis(90)));
    one.pictures
        .push(picture(start + SECOND, false, true, b"x"));
    assert_eq!(seen(one).longest_gap(), Some(Duration::from_millis(880)));
}

#[test]
fn only_whole_chains_are_written() {
    let start = Instant::now();
    let mut one = connection(start);
    for (idr, decodable, data) in [
        (true, true, &b""[..]),
        (false, true, b"too late: its idr is gone"),
        (true, true, b"I1"),
        (false, true, b"P1"),
        (false, false, b"broken"),
        (true, true, b"I2"),
    ] {
        one.pictures.push(picture(start, idr, decodable, data));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen.h264");
    assert_eq!(seen(one.clone()).write_annex_b(&path).unwrap(), 3);
    assert_eq!(std::fs::read(&path).unwrap(), b"I1P1I2");
    let nowhere = folder.path().join("no").join("folder");
    assert_eq!(seen(one).write_annex_b(nowhere).unwrap_err().code(), "io");
}

#[test]
fn sender_reports_put_sound_and_pictures_on_one_clock() {
    let mut one = connection(Instant::now());
    assert_eq!(one.sender_time(Media::Picture, 0), None);
    let report = |media, rtp_time| SenderReport {
        at: Instant::now(),
        media,
        ntp: 100 * SECOND,
        rtp_time,
    };
    one.reports.push(report(Media::Sound, 7));
    one.reports.push(report(Media::Sound, u32::MAX - 47_999));
    one.reports.push(report(Media::Picture, 90_000));
    let time = |media, rtp_time| one.sender_time(media, rtp_time);
    assert_eq!(time(Media::Sound, 0), Some(101 * SECOND), "rtp time wraps");
    assert_eq!(time(Media::Picture, 0), Some(99 * SECOND));
    assert_eq!(time(Media::Picture, 180_000), Some(101 * SECOND));
}

#[test]
fn the_queue_is_known_at_any_time() {
    let start = Instant::now();
    let mut one = connection(start);
    assert_eq!(one.queue_delay_at(start), Duration::ZERO);
    let ms = Duration::from_millis;
    for (at, waited) in [(10, Some(5)), (20, Some(30)), (30, None), (40, Some(0))] {
        one.queue.push(QueueWait {
            at: start + ms(at),
            waited: waited.map(ms),
        });
    }
    assert_eq!(one.queue_delay_at(start + ms(9)), Duration::ZERO);
    assert_eq!(one.queue_delay_at(start + ms(10)), ms(5));
    assert_eq!(one.queue_delay_at(start + ms(35)), ms(30));
    assert_eq!(one.queue_delay_at(start + ms(400)), Duration::ZERO);
}
