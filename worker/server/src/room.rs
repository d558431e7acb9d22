//! How much of this worker is taken, in thousandths of a core.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What all sessions share. Each has a [`Seat`].
#[derive(Debug)]
pub(crate) struct Room {
    total: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    last_seat: u64,
    by_seat: HashMap<u64, u32>,
}

/// One session's part of the room; gives it back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<Room>,
    number: u64,
}

impl Room {
    /// So large.
    pub(crate) fn of(total_millicores: u32) -> Arc<Self> {
        Arc::new(Self {
            total: total_millicores,
            taken: Mutex::default(),
        })
    }

    pub(crate) fn seat(self: &Arc<Self>) -> Seat {
        let mut taken = self.lock();
        taken.last_seat += 1;
        let number = taken.last_seat;
        taken.by_seat.insert(number, 0);
        drop(taken);
        Seat {
            room: Arc::clone(self),
            number,
        }
    }

    pub(crate) fn total_millicores(&self) -> u32 {
        self.total
    }

    pub(crate) fn free_millicores(&self) -> u32 {
        let taken: u32 = self.lock().by_seat.values().sum();
        self.total.saturating_sub(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// What the session costs now, whether there is room for it or not: it plays.
    pub(crate) fn costs(&self, millicores: u32) {
        if let Some(taken) = self.room.lock().by_seat.get_mut(&self.number) {
            *taken = millicores;
        }
    }

    /// Takes so much in place of what the session had, if all of it fits or it is no more than that.
    pub(crate) fn try_take(&self, millicores: u32) -> bool {
        let mut taken = self.room.lock();
        let all: u32 = taken.by_seat.values().sum();
        let Some(own) = taken.by_seat.get_mut(&self.number) else {
            return false;
        };
        let fits = millicores <= *own || all - *own + millicores <= self.room.total;
        if fits {
            *own = millicores;
        }
        fits
    }

    /// The session is gone, whatever is still said of it.
    pub(crate) fn leave(&self) {
        self.room.lock().by_seat.remove(&self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_taken_at_once_and_what_plays_counts_in_any_case() {
        let room = Room::of(1_000);
        let (a, b) = (room.seat(), room.seat());
        a.costs(650);
        assert!(!b.try_take(400));
        assert!(b.try_take(350), "to the brim");
        assert_eq!(room.free_millicores(), 0);
        assert!(!a.try_take(651), "the other has the rest");
        a.costs(700);
        assert_eq!(room.free_millicores(), 0, "never below");
        assert!(!a.try_take(701) && a.try_take(690), "less fits in any case");
        a.costs(700);
        drop(b);
        assert_eq!(room.free_millicores(), 300);
        a.leave();
        a.costs(900);
        assert!(!a.try_take(1), "who has left takes nothing");
        assert_eq!(room.free_millicores(), 1_000);
    }
}
