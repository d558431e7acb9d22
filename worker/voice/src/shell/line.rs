//! The line of a stream in the pacer: pictures, and what the packet layer does by itself.

use std::{
    sync::{Arc, TryLockError},
    time::Instant,
};

use super::shared::{Path, Shared, Wire};
use crate::pacer::{Paced, Tick};

/// Sound has its ticks in the same call ([`Shared`]'s own), so that it waits for at most what one turn takes.
pub(super) struct Line(pub(super) Arc<Shared>);

impl Paced for Line {
    fn tick(&self, _: Instant) -> Tick {
        let shared = &*self.0;
        let mut wire = match shared.try_lock() {
            Ok(wire) => wire,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // As for sound.
            Err(TryLockError::WouldBlock) => return Tick::Busy,
        };
        let Some(Wire {
            dave,
            path: Some(Path { media, socket }),
            wants,
            ..
        }) = &mut *wire
        else {
            return Tick::Park;
        };
        if !media.is_stream() {
            return Tick::Park;
        }
        let mut failed = false;
        let pictures = shared.pictures.as_deref();
        let next = media.turn(Instant::now(), dave, pictures, *wants, &mut |packet| {
            failed |= socket.send(packet).is_err();
        });
        drop(wire);
        if failed {
            shared.stats.send_failed();
        }
        next.map_or(Tick::Park, Tick::At)
    }
}
