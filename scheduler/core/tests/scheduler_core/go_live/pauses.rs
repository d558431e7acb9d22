//! Op 22: what Discord shows of a stream whose party is paused.

use orb_scheduler_core::Action;

use super::{hand_out, pauses, playing, with_stream};
use crate::harness::Harness;

#[test]
fn discord_is_told_of_pauses_each_once() {
    let mut h = playing();
    assert!(pauses(&h).is_empty());
    h.control("s", Action::Pause);
    h.control("s", Action::Seek { position_ms: 2_000 });
    h.control("s", Action::Resume);
    assert_eq!(pauses(&h), [true, false]);
    h.control("s", Action::Pause);
    h.effects.clear();
    // A stream that is made anew is not held: it is told again.
    hand_out(&mut h, with_stream("stream-2"));
    assert_eq!(pauses(&h), [true]);
    // What plays next is not held.
    h.effects.clear();
    h.play("s", 2);
    assert_eq!(pauses(&h), [false]);
}

#[test]
fn a_party_without_a_picture_has_nothing_told_of_its_pauses() {
    let mut h = Harness::playing();
    h.control("s", Action::Pause);
    assert!(pauses(&h).is_empty());
}
