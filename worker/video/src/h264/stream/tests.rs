#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::super::bits::BitWriter;
use super::super::emulation::escape_into;
use super::super::vui::{SpsFix, restrict_reordering};
use super::*;

fn unit(header: u8, rbsp: BitWriter) -> Vec<u8> {
    let mut unit = vec![header];
    escape_into(&rbsp.finish(), &mut unit);
    unit
}

/// Baseline, 64x64, 4 bits of `frame_num`, 4 bits of picture order (type 0) or none (type 2).
fn sps(id: u32, order: u32, reference_frames: u32) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.bits(0x42_e0_1e, 24);
    w.ues(&[id, 0, order]);
    if order == 0 {
        w.ue(0);
    }
    w.ue(reference_frames);
    w.flag(false);
    w.ue(3);
    w.ue(3);
    w.bits(0b1100, 4);
    unit(0x67, w)
}

fn pps(id: u32, sps_id: u32, body: u32) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.ue(id);
    w.ue(sps_id);
    w.bits(body, 32);
    unit(0x68, w)
}

/// A slice of PPS 0 with a picture order, P (0), B (1) or I (2).
fn slice(header: u8, kind: u32, order: u32) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.ues(&[0, kind, 0]);
    w.bits(0, 4);
    if header & 0x1f == 5 {
        w.ue(0);
    }
    w.bits(order, 4);
    w.bits(0x5555, 16);
    unit(header, w)
}

fn idr() -> Vec<u8> {
    slice(0x65, 2, 0)
}

fn p(order: u32) -> Vec<u8> {
    slice(0x41, 0, order)
}

fn annexb(units: &[Vec<u8>]) -> Bytes {
    units
        .iter()
        .flat_map(|unit| [&START_CODE[..], unit].concat())
        .collect()
}

fn avcc(units: &[Vec<u8>]) -> Bytes {
    units
        .iter()
        .flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat())
        .collect()
}

fn sets() -> [Vec<u8>; 2] {
    [sps(0, 0, 1), pps(0, 0, 7)]
}

fn stream() -> Stream {
    Stream::new(&annexb(&sets())).unwrap()
}

/// A stream behind its first IDR picture.
fn running() -> Stream {
    let mut stream = stream();
    stream.access_unit(&annexb(&[idr()])).unwrap().unwrap();
    stream
}

fn units_of(picture: &Picture) -> Vec<Vec<u8>> {
    NalUnits::new(picture.data.clone(), Framing::AnnexB)
        .map(|unit| unit.unwrap().to_vec())
        .collect()
}

fn refusal(result: Result<Option<Picture>, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

const AUD: [u8; 2] = [9, 0xf0];

#[test]
fn only_what_receivers_need_is_sent() {
    let [sps, pps] = sets();
    let sei = vec![6, 5, 2, 1, 2, 0x80];
    let filler = vec![12, 255, 0x80];
    let end = vec![10];
    let reserved = vec![30, 1];
    let packet = [
        AUD.to_vec(),
        sps.clone(),
        pps.clone(),
        sei,
        filler,
        reserved,
        idr(),
        end,
    ];
    let mut stream = Stream::new(&Bytes::new()).unwrap();
    let picture = stream.access_unit(&annexb(&packet)).unwrap().unwrap();
    let SpsFix::Rewritten(sps) = restrict_reordering(&sps).unwrap() else {
        panic!("it had no VUI")
    };
    assert_eq!(units_of(&picture), [sps.to_vec(), pps, idr()]);
    assert_eq!((picture.entry, picture.reference), (Entry::Idr, true));
    let format = stream.sps().unwrap();
    assert_eq!((format.width, format.height, format.level), (64, 64, 30));
}

#[test]
fn sets_are_sent_once_for_each_idr_picture_wherever_they_come_from() {
    let with_sets = [&sets()[..], &sets(), &[idr()]].concat();
    let mut stream = stream();
    for packet in [with_sets, vec![idr()]] {
        let picture = stream.access_unit(&annexb(&packet)).unwrap().unwrap();
        assert_eq!(units_of(&picture).len(), 3);
    }
    let mut repeated = sets().to_vec();
    repeated.push(p(2));
    let picture = stream.access_unit(&annexb(&repeated)).unwrap().unwrap();
    assert_eq!(
        units_of(&picture),
        [p(2)],
        "known sets are not repeated elsewhere"
    );
}

#[test]
fn sets_in_a_packet_of_their_own_are_those_of_the_next_picture() {
    let mut stream = running();
    assert_eq!(stream.access_unit(&annexb(&[sps(0, 2, 1)])).unwrap(), None);
    let picture = stream.access_unit(&annexb(&[idr()])).unwrap().unwrap();
    assert_eq!(
        Sps::parse(&units_of(&picture)[0]).unwrap().order,
        super::super::sps::PictureOrder::Decoding
    );
}

#[test]
fn new_sets_without_an_idr_picture_are_refused() {
    let mut stream = running();
    let result = stream.access_unit(&annexb(&[pps(0, 0, 8), p(2)]));
    assert_eq!(refusal(result), Refusal::SeveralParameterSets);
}

#[test]
fn a_second_pps_of_the_same_sps_is_refused_and_one_of_another_is_not() {
    let [sps_0, pps_0] = sets();
    let two = [sps_0.clone(), pps_0.clone(), pps(1, 0, 7)];
    let mut stream = Stream::new(&annexb(&two)).unwrap();
    assert_eq!(
        refusal(stream.access_unit(&annexb(&[idr()]))),
        Refusal::SeveralParameterSets
    );
    let other = [sps_0, pps_0, sps(1, 0, 1), pps(1, 1, 7)];
    let mut stream = Stream::new(&annexb(&other)).unwrap();
    let picture = stream.access_unit(&annexb(&[idr()])).unwrap().unwrap();
    assert_eq!(units_of(&picture).len(), 3);
}

#[test]
fn large_sets_are_refused() {
    let long = [pps(0, 0, 7), vec![0x55; 950]].concat();
    assert!(
        Stream::new(&annexb(&[
            sps(0, 0, 1),
            [long.clone(), vec![1; 100]].concat()
        ]))
        .is_err()
    );
    let mut stream = Stream::new(&annexb(&[sps(0, 0, 1), long.clone()])).unwrap();
    assert!(stream.access_unit(&annexb(&[idr()])).is_ok(), "just below");
    let mut stream = Stream::new(&annexb(&[sps(0, 0, 1), [long, vec![1; 35]].concat()])).unwrap();
    assert_eq!(
        refusal(stream.access_unit(&annexb(&[idr()]))),
        Refusal::LargeParameterSets
    );
}

#[test]
fn several_slices_are_refused_in_one_packet_and_over_two() {
    assert_eq!(
        refusal(running().access_unit(&annexb(&[p(2), p(2)]))),
        Refusal::SeveralSlices
    );
    let mut w = BitWriter::default();
    w.ues(&[5, 0, 0]);
    w.bits(0, 32);
    assert_eq!(
        refusal(running().access_unit(&annexb(&[unit(0x41, w)]))),
        Refusal::SeveralSlices
    );
}

#[test]
fn b_frames_are_refused_also_before_the_first_idr_picture() {
    assert_eq!(
        refusal(running().access_unit(&annexb(&[slice(0x01, 1, 2)]))),
        Refusal::BFrames
    );
    assert_eq!(
        refusal(stream().access_unit(&annexb(&[slice(0x01, 6, 2)]))),
        Refusal::BFrames
    );
}

#[test]
fn display_order_is_followed_over_its_wraps() {
    let mut stream = running();
    for picture in 1..40 {
        assert!(
            stream
                .access_unit(&annexb(&[p(picture * 2 % 16)]))
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(
        refusal(stream.access_unit(&annexb(&[p(78 % 16 - 2)]))),
        Refusal::Reordered
    );
}

#[test]
fn partitions_and_strange_orders_are_refused() {
    assert_eq!(
        refusal(running().access_unit(&annexb(&[vec![0x42, 1]]))),
        Refusal::Partitioned
    );
    let mut w = BitWriter::default();
    w.bits(0x42_e0_1e, 24);
    w.ues(&[0, 0, 1]);
    w.bits(0b0111, 4);
    w.ue(1);
    w.flag(false);
    w.ues(&[3, 3]);
    w.bits(0b1100, 4);
    let mut stream = Stream::new(&annexb(&[unit(0x67, w), pps(0, 0, 7)])).unwrap();
    assert_eq!(
        refusal(stream.access_unit(&annexb(&[idr()]))),
        Refusal::PictureOrder
    );
}

#[test]
fn damage_leaves_pictures_out_up_to_the_next_idr_picture() {
    let mut stream = running();
    let damaged = stream
        .access_unit(&annexb(&[vec![0xc1, 1, 2]]))
        .unwrap_err();
    assert!(damaged.is_retryable());
    assert_eq!(stream.access_unit(&annexb(&[p(4)])).unwrap(), None);
    assert!(stream.access_unit(&annexb(&[idr()])).unwrap().is_some());
    assert!(stream.access_unit(&annexb(&[p(2)])).unwrap().is_some());
}

#[test]
fn a_stream_without_idr_pictures_is_given_up() {
    let mut stream = stream();
    for _ in 0..MAX_BEFORE_IDR {
        assert_eq!(stream.access_unit(&annexb(&[p(2)])).unwrap(), None);
    }
    assert_eq!(
        refusal(stream.access_unit(&annexb(&[p(2)]))),
        Refusal::NoIdr
    );
}

#[test]
fn zeros_behind_a_slice_are_not_sent() {
    // A packetizer eats them, and DAVE has authenticated them.
    let mut stream = running();
    let packet = Bytes::from([&annexb(&[p(2)])[..], &[0, 0, 0]].concat());
    let picture = stream.access_unit(&packet).unwrap().unwrap();
    assert_eq!(picture.data, annexb(&[p(2)]));
    let mut record = vec![1, 66, 0, 30, 0xff, 0xe1];
    let [sps, pps] = sets();
    for (count, set) in [(None, sps), (Some(1), [pps.clone(), vec![0, 0]].concat())] {
        record.extend(count);
        record.extend((set.len() as u16).to_be_bytes());
        record.extend(set);
    }
    let mut stream = Stream::new(&record.into()).unwrap();
    let picture = stream
        .access_unit(&avcc(&[[idr(), vec![0]].concat()]))
        .unwrap()
        .unwrap();
    assert_eq!(units_of(&picture)[1..], [pps, idr()]);
    assert!(picture.data.ends_with(&idr()));
    let hidden = [p(2), vec![0, 0, 1, 9]].concat();
    assert!(
        stream
            .access_unit(&avcc(&[hidden]))
            .unwrap_err()
            .is_retryable()
    );
}

#[test]
fn a_lone_slice_keeps_its_memory() {
    let mut stream = running();
    let packet = annexb(&[AUD.to_vec(), p(2)]);
    let picture = stream.access_unit(&packet).unwrap().unwrap();
    assert_eq!(picture.data.as_ptr(), packet[6..].as_ptr());
}

#[test]
fn disposable_pictures_and_recovery_points_are_told() {
    let mut stream = running();
    let picture = stream
        .access_unit(&annexb(&[slice(0x01, 0, 2)]))
        .unwrap()
        .unwrap();
    assert!(!picture.reference);
    let recovery = vec![6, 6, 1, 0b1010_0000, 0x80];
    let picture = stream
        .access_unit(&annexb(&[recovery, p(4)]))
        .unwrap()
        .unwrap();
    assert_eq!(picture.entry, Entry::Recovery(0));
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        sps(0, 0, 1),
        sps(0, 2, 1),
        pps(0, 0, 7),
        pps(1, 0, 7),
        idr(),
        p(2),
        p(4),
    ]);
    prop_oneof![
        3 => known.clone(),
        1 => (known, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut unit, at, byte)| {
            let index = at.index(unit.len());
            unit[index] = byte;
            unit
        }),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    /// Nothing panics, and what is sent always has the wire's form.
    #[test]
    fn anything_is_taken(
        extradata in prop::collection::vec(hostile(), 0..3),
        packets in prop::collection::vec(prop::collection::vec(hostile(), 0..4), 0..12),
        lengths in any::<bool>(),
    ) {
        let frame = if lengths { avcc } else { annexb };
        let Ok(mut stream) = Stream::new(&annexb(&extradata)) else { return Ok(()) };
        if lengths {
            stream.framing = Framing::Length(4);
        }
        for packet in packets {
            let Ok(Some(picture)) = stream.access_unit(&frame(&packet)) else { continue };
            let types: Vec<NalType> = units_of(&picture).iter().map(|unit| NalType::of(unit[0])).collect();
            let wanted: &[NalType] = match picture.entry {
                Entry::Idr => &[NalType::Sps, NalType::Pps, NalType::IdrSlice],
                _ => &[NalType::Slice],
            };
            prop_assert_eq!(types, wanted);
            let again = units_of(&picture);
            prop_assert_eq!(annexb(&again), picture.data, "nothing between the units");
        }
    }
}
