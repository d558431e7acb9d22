//! What cannot be held is refused, what was accepted is placed as soon as there is room.

mod held_back;
mod line;
mod placement;

use crate::harness::{ACCOUNT, GUILD, Harness, create};
use orb_scheduler_core::{
    AccountKind, CallId, Event, Incarnation, KnownPlan, PlaybackState, Shard, WorkerId,
};

/// One account, no worker.
fn without_workers() -> Harness {
    let mut h = Harness::empty();
    h.event(Event::AccountReady {
        account: ACCOUNT,
        kind: AccountKind::Bot,
        shard: Shard::WHOLE,
        resumed: false,
    });
    h
}

/// Creates the session in a guild of its own and plays; the refusal's code, if it was refused.
fn start(h: &mut Harness, index: u64) -> Option<String> {
    let session = format!("s{index}");
    h.call(&session, create(GUILD + index));
    let play = h.play(&session, 1);
    h.answer(play).map(|answer| answer.unwrap_err().code)
}

fn detach(h: &mut Harness, worker: &str, incarnation: &str) {
    h.event(Event::Detached {
        worker: WorkerId::new(worker),
        incarnation: Incarnation::new(incarnation),
    });
}

fn learn_cost(h: &mut Harness, worker: &str, session: &str, cost_millicores: u32, free: u32) {
    let mut observed = h.observed(session, PlaybackState::Playing, 1_000);
    observed.known_plan = Some(KnownPlan {
        cost_millicores,
        details: String::new(),
    });
    h.beat_with(worker, "life-1", free, vec![observed]);
}

/// Plays in that session; the answer is still to come.
fn play(h: &mut Harness, index: u64) -> CallId {
    let session = format!("s{index}");
    h.call(&session, create(GUILD + index));
    h.play(&session, 1)
}

fn codes(h: &Harness, calls: &[CallId]) -> Vec<Option<String>> {
    let code = |call: &CallId| h.answer(*call)?.err().map(|refusal| refusal.code);
    calls.iter().map(code).collect()
}
