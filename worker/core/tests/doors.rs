//! Whatever is stale is refused at the worker's door: `docs/doors.md` has the others.
#![allow(clippy::unwrap_used, missing_docs)]

use orb_worker_core::{Desired, Fence, Input, Role, Session};

fn fence(token: u64, epoch: u64, generation: u64) -> Fence {
    Fence {
        token,
        epoch,
        generation,
    }
}

/// Whether a word with that fence is taken, by a session whose newest word was of token 4, epoch 7, generation 9.
fn is_taken(fence: Fence) -> bool {
    let mut session = Session::new();
    let mut tell = |fence| {
        session.handle(Input::Lease {
            fence,
            desired: Box::new(Desired::default()),
            role: Role::Holds,
        });
        session.reported()
    };
    let before = tell(self::fence(4, 7, 9));
    assert_eq!(
        before,
        self::fence(4, 7, 9),
        "carried out at once: nothing plays"
    );
    let after = tell(fence);
    assert!(after == before || after == fence);
    after == fence && after != before
}

#[test]
fn only_what_is_newer_as_a_whole_is_taken() {
    for newer in [
        fence(4, 7, 10),
        fence(4, 8, 9),
        fence(4, 8, 1),
        fence(5, 1, 1),
    ] {
        assert!(is_taken(newer), "{newer:?}");
    }
}

#[test]
fn a_stale_token_is_refused_whatever_its_epoch_and_generation() {
    assert!(!is_taken(fence(3, 7, 10)));
    assert!(!is_taken(fence(3, 99, 99)));
}

#[test]
fn a_stale_epoch_is_refused_whatever_its_generation() {
    assert!(!is_taken(fence(4, 6, 10)));
    assert!(!is_taken(fence(4, 6, 99)));
}

#[test]
fn the_same_again_and_older_generations_are_refused() {
    assert!(!is_taken(fence(4, 7, 9)));
    assert!(!is_taken(fence(4, 7, 8)));
}
