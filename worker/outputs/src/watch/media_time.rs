//! Where in the film an fMP4 segment begins, read from its boxes (ISO/IEC 14496-12).

use crate::Error;

/// What the initialisation segment says about the track whose time counts: the picture's, else the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    id: u32,
    timescale: u32,
    /// Time that an edit list puts before the first sample, in ms. Zero with `frag_discont`.
    empty_edit_ms: u64,
}

const TRUNCATED: Error = Error::HlsMalformed("a box ends before its content");

impl Track {
    /// Reads `init.mp4`.
    pub(super) fn of_init(init: &[u8]) -> Result<Self, Error> {
        let moov = child(init, *b"moov")?.ok_or(Error::HlsMalformed("no moov box"))?;
        let mvhd = child(moov, *b"mvhd")?.ok_or(Error::HlsMalformed("no mvhd box"))?;
        let movie_timescale = timescale(mvhd)?;
        let mut first = None;
        for trak in boxes(moov).filter(|b| b.as_ref().is_ok_and(|b| &b.kind == b"trak")) {
            let (track, is_video) = read_trak(trak?.content, movie_timescale)?;
            if is_video {
                return Ok(track);
            }
            first = first.or(Some(track));
        }
        first.ok_or(Error::HlsMalformed("no track"))
    }

    /// Media time of a segment's first sample, in ms, from its beginning up to and with the `moof` box.
    pub(super) fn segment_start_ms(&self, segment: &[u8]) -> Result<u64, Error> {
        let moof = child(segment, *b"moof")?.ok_or(Error::HlsMalformed("no moof box"))?;
        for traf in boxes(moof) {
            let traf = traf?;
            if &traf.kind != b"traf" {
                continue;
            }
            let tfhd = child(traf.content, *b"tfhd")?.ok_or(Error::HlsMalformed("no tfhd box"))?;
            if u32_at(tfhd, 4)? != self.id {
                continue;
            }
            let tfdt = child(traf.content, *b"tfdt")?.ok_or(Error::HlsMalformed("no tfdt box"))?;
            let ticks = match version(tfdt)? {
                0 => u64::from(u32_at(tfdt, 4)?),
                _ => u64_at(tfdt, 4)?,
            };
            return Ok(to_ms(ticks, self.timescale) + self.empty_edit_ms);
        }
        Err(Error::HlsMalformed("the segment lacks the track"))
    }
}

fn read_trak(trak: &[u8], movie_timescale: u32) -> Result<(Track, bool), Error> {
    let tkhd = child(trak, *b"tkhd")?.ok_or(Error::HlsMalformed("no tkhd box"))?;
    let mdia = child(trak, *b"mdia")?.ok_or(Error::HlsMalformed("no mdia box"))?;
    let mdhd = child(mdia, *b"mdhd")?.ok_or(Error::HlsMalformed("no mdhd box"))?;
    let hdlr = child(mdia, *b"hdlr")?.ok_or(Error::HlsMalformed("no hdlr box"))?;
    let id = u32_at(tkhd, if version(tkhd)? == 0 { 12 } else { 20 })?;
    let empty_edit_ms = match child(trak, *b"edts")? {
        Some(edts) => empty_edit_ms(edts, movie_timescale)?,
        None => 0,
    };
    let track = Track {
        id,
        timescale: timescale(mdhd)?,
        empty_edit_ms,
    };
    Ok((track, hdlr.get(8..12) == Some(b"vide")))
}

/// Duration of the leading edit whose media time is -1, the one that delays the track.
fn empty_edit_ms(edts: &[u8], movie_timescale: u32) -> Result<u64, Error> {
    let Some(elst) = child(edts, *b"elst")? else {
        return Ok(0);
    };
    if u32_at(elst, 4)? == 0 {
        return Ok(0);
    }
    let (duration, media_time) = match version(elst)? {
        0 => (
            u64::from(u32_at(elst, 8)?),
            i64::from(u32_at(elst, 12)?.cast_signed()),
        ),
        _ => (u64_at(elst, 8)?, u64_at(elst, 16)?.cast_signed()),
    };
    Ok(if media_time == -1 {
        to_ms(duration, movie_timescale)
    } else {
        0
    })
}

/// The time scale of an `mvhd` or `mdhd` box; never zero.
fn timescale(header: &[u8]) -> Result<u32, Error> {
    match u32_at(header, if version(header)? == 0 { 12 } else { 20 })? {
        0 => Err(Error::HlsMalformed("a time scale is zero")),
        timescale => Ok(timescale),
    }
}

fn to_ms(ticks: u64, timescale: u32) -> u64 {
    let timescale = u128::from(timescale);
    ((u128::from(ticks) * 1000 + timescale / 2) / timescale) as u64
}

struct Box<'a> {
    kind: [u8; 4],
    content: &'a [u8],
}

/// The boxes side by side in `data`. The last may be cut off: of a segment only the beginning is read.
fn boxes(mut data: &[u8]) -> impl Iterator<Item = Result<Box<'_>, Error>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let parsed = split_box(data);
        data = parsed.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(parsed.map(|(found, _)| found))
    })
}

fn split_box(data: &[u8]) -> Result<(Box<'_>, &[u8]), Error> {
    let kind = data
        .get(4..8)
        .ok_or(TRUNCATED)?
        .try_into()
        .map_err(|_| TRUNCATED)?;
    let (header, size) = match u32_at(data, 0)? {
        0 => (8, data.len() as u64),
        1 => (16, u64_at(data, 8)?),
        size => (8, u64::from(size)),
    };
    let end = usize::try_from(size).unwrap_or(usize::MAX).min(data.len());
    let content = data.get(header..end).ok_or(TRUNCATED)?;
    Ok((Box { kind, content }, &data[end..]))
}

fn child(data: &[u8], kind: [u8; 4]) -> Result<Option<&[u8]>, Error> {
    for found in boxes(data) {
        let found = found?;
        if found.kind == kind {
            return Ok(Some(found.content));
        }
    }
    Ok(None)
}

fn version(full_box: &[u8]) -> Result<u8, Error> {
    full_box.first().copied().ok_or(TRUNCATED)
}

fn u32_at(data: &[u8], at: usize) -> Result<u32, Error> {
    let bytes = data.get(at..at + 4).ok_or(TRUNCATED)?;
    Ok(u32::from_be_bytes(bytes.try_into().map_err(|_| TRUNCATED)?))
}

fn u64_at(data: &[u8], at: usize) -> Result<u64, Error> {
    let bytes = data.get(at..at + 8).ok_or(TRUNCATED)?;
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| TRUNCATED)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn make(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        [
            &(8 + content.len() as u32).to_be_bytes()[..],
            &kind,
            content,
        ]
        .concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn trak(id: u32, timescale: u32, handler: [u8; 4], edit: Option<(u32, u32)>) -> Vec<u8> {
        let edts = edit.map_or_else(Vec::new, |(duration, media_time)| {
            make(
                *b"edts",
                &make(*b"elst", &words(&[0, 1, duration, media_time, 0x1_0000])),
            )
        });
        let hdlr = [&[0; 8][..], &handler, &[0; 12]].concat();
        let mdia = [
            make(*b"mdhd", &words(&[0, 0, 0, timescale, 0])),
            make(*b"hdlr", &hdlr),
        ]
        .concat();
        let tkhd = make(*b"tkhd", &words(&[0, 0, 0, id, 0]));
        make(*b"trak", &[tkhd, edts, make(*b"mdia", &mdia)].concat())
    }

    fn init(traks: &[Vec<u8>]) -> Vec<u8> {
        let mvhd = make(*b"mvhd", &words(&[0, 0, 0, 1000, 0]));
        [
            make(*b"ftyp", b"iso5"),
            make(*b"moov", &[mvhd, traks.concat()].concat()),
        ]
        .concat()
    }

    fn segment(trafs: &[(u32, u64)]) -> Vec<u8> {
        let trafs = trafs.iter().flat_map(|(id, ticks)| {
            let tfdt = [&words(&[0x0100_0000])[..], &ticks.to_be_bytes()].concat();
            make(
                *b"traf",
                &[make(*b"tfhd", &words(&[0, *id])), make(*b"tfdt", &tfdt)].concat(),
            )
        });
        [
            make(*b"styp", b"msdh"),
            make(*b"moof", &trafs.collect::<Vec<_>>()),
        ]
        .concat()
    }

    #[test]
    fn the_picture_counts_wherever_it_stands() {
        let init = init(&[
            trak(1, 48_000, *b"soun", None),
            trak(2, 12_800, *b"vide", None),
        ]);
        let track = Track::of_init(&init).unwrap();
        let segment = segment(&[(1, 48_000), (2, 128_090)]);
        assert_eq!(track.segment_start_ms(&segment).unwrap(), 10_007);
    }

    #[test]
    fn a_film_without_picture_goes_by_its_sound() {
        let track = Track::of_init(&init(&[trak(7, 48_000, *b"soun", None)])).unwrap();
        assert_eq!(
            track.segment_start_ms(&segment(&[(7, 24_000)])).unwrap(),
            500
        );
    }

    #[test]
    fn an_empty_edit_delays_and_any_other_does_not() {
        let delayed = init(&[trak(1, 1000, *b"vide", Some((10_007, u32::MAX)))]);
        let reordered = init(&[trak(1, 1000, *b"vide", Some((10_007, 80)))]);
        let segment = segment(&[(1, 2000)]);
        assert_eq!(
            Track::of_init(&delayed)
                .unwrap()
                .segment_start_ms(&segment)
                .unwrap(),
            12_007
        );
        assert_eq!(
            Track::of_init(&reordered)
                .unwrap()
                .segment_start_ms(&segment)
                .unwrap(),
            2000
        );
    }

    #[test]
    fn the_rest_of_a_segment_need_not_be_there() {
        let track = Track::of_init(&init(&[trak(1, 1000, *b"vide", None)])).unwrap();
        let mut cut = segment(&[(1, 5)]);
        cut.extend_from_slice(&make(*b"mdat", &[0; 100])[..20]);
        assert_eq!(track.segment_start_ms(&cut).unwrap(), 5);
    }

    #[test]
    fn no_cut_off_or_scrambled_file_panics() {
        let whole = init(&[trak(1, 1000, *b"vide", Some((1, u32::MAX)))]);
        let track = Track::of_init(&whole).unwrap();
        let media = segment(&[(1, 5)]);
        for end in 0..whole.len() {
            let _ = Track::of_init(&whole[..end]);
        }
        for at in 0..media.len() {
            let mut scrambled = media.clone();
            scrambled[at] ^= 0xff;
            let _ = track.segment_start_ms(&scrambled);
            let _ = track.segment_start_ms(&media[..at]);
        }
    }

    #[test]
    fn a_time_scale_of_zero_is_refused() {
        assert!(Track::of_init(&init(&[trak(1, 0, *b"vide", None)])).is_err());
    }
}
