//! How the listening member looks at one client's pictures: packets become access units, and of each it is known
//! whether a decoder could show it.

use std::time::{Duration, Instant};

use crate::access_units::{AccessUnits, PicturePacket, Unpacked};
use crate::picture_chain::{Link, PictureChain};

/// The listener asks for key frames no oftener: a request needs a way there, and a key frame one back.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

pub(crate) struct PictureWatch {
    units: AccessUnits,
    chain: PictureChain,
    /// Something came that could not be shown, and nothing after it that could.
    blind: bool,
    /// When a key frame was asked for last.
    asked: Option<Instant>,
    /// Whether the listener asks by itself.
    asks: bool,
}

impl PictureWatch {
    /// `patience`: how long a missing packet is waited for.
    pub(crate) fn new(patience: Duration, asks: bool) -> Self {
        Self {
            units: AccessUnits::new(patience),
            chain: PictureChain::default(),
            blind: false,
            asked: None,
            asks,
        }
    }

    pub(crate) fn push(&mut self, packet: PicturePacket) -> Vec<Unpacked> {
        self.units.push(packet)
    }

    /// Gives up what did not come in time.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Unpacked> {
        self.units.overdue(now)
    }

    /// When [`Self::overdue`] is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.units.due()
    }

    /// A picture: whether it can be shown.
    pub(crate) fn take(&mut self, picture: &[u8]) -> Link {
        let link = self.chain.take(picture);
        self.blind = !link.decodable;
        link
    }

    /// A picture that cannot be read, or none where one should be.
    pub(crate) fn missed(&mut self) -> Link {
        self.chain.broke();
        self.blind = true;
        Link {
            idr: false,
            decodable: false,
            skipped: false,
        }
    }

    /// The listener sees nothing, for want of an IDR.
    pub(crate) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Whether the listener, who cannot see anything, asks for a key frame now.
    pub(crate) fn asks_now(&mut self, now: Instant) -> bool {
        let recently = self
            .asked
            .is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_REQUESTS);
        if !self.asks || recently {
            return false;
        }
        self.asked = Some(now);
        true
    }
}
