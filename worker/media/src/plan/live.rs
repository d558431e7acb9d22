//! What the picture of a voice channel may be sent as.

use orb_video::ladder::{Ladder, Rung};

use super::COST_COPY;
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
    /// What each rung of the ladder costs, in thousandths of a core, in its order.
    pub costs: Vec<u32>,
}

impl PicturePlan {
    pub(super) fn new(
        v: &VideoStream,
        spec: PictureSpec,
        copies: bool,
        cost: impl Fn(&Rung) -> u32,
    ) -> Self {
        let most = spec.most_bits_per_second;
        let encoded = Ladder::for_film(v.width, v.height, v.frame_rate(), most);
        if !copies {
            let usual = encoded.highest(|rung| rung.height <= START_LINES);
            return Self {
                rung: Some(spec.start_rung.unwrap_or(encoded.rungs()[usual])),
                costs: encoded.rungs().iter().map(cost).collect(),
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
        let mut costs: Vec<u32> = rungs.iter().map(cost).collect();
        rungs.push(film);
        costs.push(COST_COPY);
        Self {
            ladder: Ladder::new(rungs).unwrap_or(encoded),
            copies,
            rung: spec.start_rung,
            costs,
        }
    }

    /// What sending it as this rung costs, or as it is with none, in thousandths of a core.
    pub fn cost_millicores(&self, rung: Option<Rung>) -> u32 {
        let most = rung.map_or(u64::MAX, |rung| rung.bits_per_second);
        let index = self.ladder.highest(|rung| rung.bits_per_second <= most);
        self.costs.get(index).copied().unwrap_or_default()
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
