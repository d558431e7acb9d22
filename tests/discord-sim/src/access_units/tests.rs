#![allow(clippy::unwrap_used)]
use super::*;

const PATIENCE: Duration = Duration::from_millis(500);

/// A parameter set: what a picture begins with that nothing came before.
const FIRST: [u8; 2] = [0x67, 1];

struct Sender {
    units: AccessUnits,
    start: Instant,
}

impl Sender {
    fn new() -> Self {
        Self {
            units: AccessUnits::new(PATIENCE),
            start: Instant::now(),
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// A packet that comes as many milliseconds after the start as its number says.
    fn send(
        &mut self,
        sequence: u64,
        rtp_time: u32,
        marker: bool,
        payload: &[u8],
    ) -> Vec<Unpacked> {
        self.send_at(sequence, sequence, rtp_time, marker, payload)
    }

    fn send_at(
        &mut self,
        ms: u64,
        sequence: u64,
        rtp_time: u32,
        marker: bool,
        payload: &[u8],
    ) -> Vec<Unpacked> {
        self.units.push(PicturePacket {
            sequence,
            rtp_time,
            marker,
            at: self.at(ms),
            retransmitted: ms > sequence,
            payload: payload.to_vec(),
        })
    }
}

fn picture(mut out: Vec<Unpacked>) -> AccessUnit {
    match (out.pop(), out.is_empty()) {
        (Some(Unpacked::Picture(unit)), true) => unit,
        other => panic!("no picture, or not alone: {other:?}"),
    }
}

#[test]
fn parameter_sets_and_fragments_become_one_picture() {
    let mut sender = Sender::new();
    // STAP-A of SPS and PPS, then an IDR in three fragments.
    let sets = [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3];
    assert!(sender.send(10, 900, false, &sets).is_empty());
    assert!(sender.send(11, 900, false, &[0x7c, 0x85, 9, 9]).is_empty());
    assert!(sender.send(12, 900, false, &[0x7c, 0x05, 8]).is_empty());
    let unit = picture(sender.send(13, 900, true, &[0x7c, 0x45, 0, 0]));
    let annex_b = [
        &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3][..],
        &[0, 0, 0, 1, 0x65, 9, 9, 8, 0, 0],
    ];
    assert_eq!(unit.data, annex_b.concat());
    assert_eq!((unit.packets, unit.rtp_time), (4, 900));
    assert_eq!((unit.first_at, unit.at), (sender.at(10), sender.at(13)));
}

#[test]
fn what_comes_late_is_put_in_order() {
    let mut sender = Sender::new();
    picture(sender.send(1, 100, true, &FIRST));
    assert!(sender.send(3, 200, true, &[0x41, 3]).is_empty());
    assert!(sender.send(4, 300, true, &[0x41, 4]).is_empty());
    // The hole is filled by what was asked for again.
    let out = sender.send_at(40, 2, 200, false, &[0x41, 2]);
    let [Unpacked::Picture(second), Unpacked::Picture(third)] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!(second.data, [0, 0, 0, 1, 0x41, 2, 0, 0, 0, 1, 0x41, 3]);
    assert_eq!((second.packets, second.retransmitted), (2, 1));
    assert_eq!((second.first_at, second.at), (sender.at(3), sender.at(40)));
    assert_eq!(third.data, [0, 0, 0, 1, 0x41, 4]);
    // Once more changes nothing.
    assert!(sender.send_at(50, 2, 200, false, &[0x41, 2]).is_empty());
    assert_eq!(sender.units.due(), None);
}

#[test]
fn what_never_comes_is_given_up_with_its_pictures() {
    let mut sender = Sender::new();
    picture(sender.send(1, 100, true, &FIRST));
    // 2 and 3 are lost; 4 ends a picture that 3 began.
    assert!(sender.send(4, 200, true, &[0x41, 4]).is_empty());
    assert!(sender.send(5, 300, true, &[0x41, 5]).is_empty());
    assert_eq!(sender.units.due(), Some(sender.at(504)));
    assert!(sender.units.overdue(sender.at(503)).is_empty());
    let mut out = sender.units.overdue(sender.at(504));
    assert_eq!(out.remove(0), Unpacked::Missing { packets: 2 });
    assert_eq!(picture(out).data, [0, 0, 0, 1, 0x41, 5]);
}

#[test]
fn a_key_frame_after_a_hole_is_whole() {
    let mut sender = Sender::new();
    picture(sender.send(1, 100, true, &FIRST));
    let sets = [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 3];
    assert!(sender.send(3, 200, false, &sets).is_empty());
    assert!(sender.send(4, 200, true, &[0x65, 4]).is_empty());
    let mut out = sender.units.overdue(sender.at(1000));
    assert_eq!(out.remove(0), Unpacked::Missing { packets: 1 });
    assert_eq!(picture(out).packets, 2);
}

#[test]
fn a_sender_without_markers_ends_pictures_by_time() {
    let mut sender = Sender::new();
    assert!(sender.send(1, 100, false, &FIRST).is_empty());
    assert!(sender.send(2, 100, false, &[0x41, 2]).is_empty());
    assert_eq!(picture(sender.send(3, 200, false, &[0x41, 3])).packets, 2);
}

#[test]
fn nonsense_costs_its_picture_alone() {
    let mut sender = Sender::new();
    for (n, nonsense) in [&[0x7c, 0x05, 1][..], &[0x78, 0, 9, 1], &[0x7c], &[0x1f, 1]]
        .iter()
        .enumerate()
    {
        let sequence = 10 * n as u64;
        sender.units = AccessUnits::new(PATIENCE);
        picture(sender.send(sequence, 0, true, &FIRST));
        let sequence = sequence + 1;
        let out = sender.send(sequence, 100, false, nonsense);
        assert_eq!(out, [Unpacked::Malformed], "{nonsense:?}");
        assert!(sender.send(sequence + 1, 100, true, &[0x41, 1]).is_empty());
        picture(sender.send(sequence + 2, 200, true, &[0x41, 2]));
    }
}

#[test]
fn padding_is_no_picture() {
    let mut sender = Sender::new();
    picture(sender.send(1, 0, true, &FIRST));
    assert!(sender.send(2, 100, false, &[]).is_empty());
    assert_eq!(picture(sender.send(3, 100, true, &[0x41, 1])).packets, 1);
}

#[test]
fn memory_is_bounded() {
    let mut sender = Sender::new();
    sender.send(0, 0, true, &FIRST);
    let mut pictures = 0;
    for sequence in 2..2 + 2 * MOST_WAITING as u64 {
        let out = sender.send(sequence, sequence as u32, true, &[0x41, 1]);
        pictures += out.len();
        assert!(sender.units.waiting.len() <= MOST_WAITING);
    }
    assert!(pictures > MOST_WAITING);
}

#[test]
fn a_picture_whose_beginning_nobody_saw_is_none() {
    let mut sender = Sender::new();
    let out = sender.send(5, 100, false, &[0x7c, 0x05, 1]);
    assert_eq!(out, [Unpacked::Missing { packets: 1 }]);
    assert!(sender.send(6, 100, true, &[0x7c, 0x45, 1]).is_empty());
    picture(sender.send(7, 200, true, &[0x41, 1]));
}
