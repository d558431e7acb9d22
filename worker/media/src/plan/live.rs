//! What the picture of a voice channel may be sent as.

use orb_video::ladder::{Ladder, Rung};

use crate::PictureSpec;
use crate::probe::VideoStream;

/// More lines are no start: what they cost in CPU is spent once the line has shown that it bears them.
const START_LINES: u32 = 720;

/// The encodings of a film for a voice channel, and the one in use.
#[derive(Debug, Clone, PartialEq)]
pub struct PicturePlan {
    /// What the film can be sent as. With [`copies`](Self::copies) the top rung is the film as it is, with its own size
    /// and bit rate.
    pub ladder: Ladder,
    /// The film's own packets can be sent, as far as is known: ask for them by
    /// [`change_rung`](crate::Pipeline::change_rung) with no rung.
    pub copies: bool,
    /// What is sent now; none: the film's own packets.
    pub rung: Option<Rung>,
}

impl PicturePlan {
    pub(super) fn new(v: &VideoStream, spec: PictureSpec, copies: bool) -> Self {
        let most = spec.most_bits_per_second;
        let encoded = Ladder::for_film(v.width, v.height, v.frame_rate(), most);
        if !copies {
            let usual = encoded.highest(|rung| rung.height <= START_LINES);
            return Self {
                rung: Some(spec.start_rung.unwrap_or(encoded.rungs()[usual])),
                ladder: encoded,
                copies,
            };
        }
        let film = Rung {
            width: v.width,
            height: v.height,
            frame_rate: v.frame_rate(),
            bits_per_second: v.bits_per_second.unwrap_or(most).max(1),
        };
        let below = |rung: &&Rung| rung.bits_per_second < film.bits_per_second;
        let mut rungs: Vec<Rung> = encoded.rungs().iter().filter(below).copied().collect();
        rungs.push(film);
        Self {
            ladder: Ladder::new(rungs).unwrap_or(encoded),
            copies,
            rung: spec.start_rung,
        }
    }

    /// What is sent now, also where it is the film itself.
    pub fn current(&self) -> Rung {
        self.rung.unwrap_or_else(|| {
            let rungs = self.ladder.rungs();
            rungs[rungs.len() - 1]
        })
    }

    /// Where on the ladder that is: the highest rung that asks for no more.
    pub fn index(&self) -> usize {
        let most = self.current().bits_per_second;
        self.ladder.highest(|rung| rung.bits_per_second <= most)
    }
}
