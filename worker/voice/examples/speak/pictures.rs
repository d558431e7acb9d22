//! What is shown: the pictures of a file, once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use orb_video::h264::{Framing, NalType, NalUnits};
use orb_voice::{LineReport, NextPicture, PictureFormat, PictureSource};

const FRAME_RATE: f64 = 24.0;

/// A source of pictures that are as far apart as each other.
pub(crate) struct Pictures {
    film: Vec<Bytes>,
    place: Mutex<Place>,
    sent: AtomicU32,
}

#[derive(Default)]
struct Place {
    /// When the first was asked for.
    begun: Option<Instant>,
    next: usize,
}

impl Pictures {
    pub(crate) fn of(film: Vec<Bytes>) -> Self {
        Self {
            film,
            place: Mutex::default(),
            sent: AtomicU32::new(0),
        }
    }

    /// How many are with the packet layer.
    pub(crate) fn sent(&self) -> u32 {
        self.sent.load(SeqCst)
    }

    /// In bits a second.
    fn rate(&self) -> u64 {
        let bytes: usize = self.film.iter().map(Bytes::len).sum();
        (bytes as f64 * 8.0 * FRAME_RATE / self.film.len().max(1) as f64) as u64
    }
}

impl PictureSource for Pictures {
    fn next(&self, now: Instant) -> NextPicture {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(picture) = self.film.get(place.next) else {
            return NextPicture::Idle;
        };
        let begun = *place.begun.get_or_insert(now);
        let due = begun + Duration::from_secs_f64(place.next as f64 / FRAME_RATE);
        if due > now {
            return NextPicture::At(due);
        }
        place.next += 1;
        NextPicture::Picture {
            data: picture.clone(),
            due,
            idr: is_idr(picture),
        }
    }

    fn sent(&self, _: Instant, _: Duration) {
        self.sent.fetch_add(1, SeqCst);
    }

    fn line(&self, _: &LineReport) -> u64 {
        self.rate()
    }

    fn format(&self) -> Option<PictureFormat> {
        Some(PictureFormat {
            width: 1280,
            height: 720,
            frame_rate: FRAME_RATE,
            bits_per_second: self.rate(),
        })
    }
}

fn is_idr(picture: &Bytes) -> bool {
    let units = NalUnits::new(picture.clone(), Framing::AnnexB);
    let mut kinds = units.flatten().filter_map(|unit| unit.first().copied());
    kinds.any(|header| NalType::of(header) == NalType::IdrSlice)
}
