#![allow(clippy::unwrap_used)]
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use super::*;

/// Longer than any wait of these tests on any machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Says when it was called, and does what it was made for.
struct Session<F> {
    calls: Mutex<Sender<Instant>>,
    act: F,
}

fn session<F>(act: F) -> (Arc<Session<F>>, Receiver<Instant>)
where
    F: Fn() -> Tick + Send + Sync + 'static,
{
    let (sender, calls) = channel();
    let calls_to = Mutex::new(sender);
    let session = Session {
        calls: calls_to,
        act,
    };
    (Arc::new(session), calls)
}

impl<F: Fn() -> Tick + Send + Sync + 'static> Paced for Session<F> {
    fn tick(&self, due: Instant) -> Tick {
        assert!(due <= Instant::now(), "called too early");
        // The test may have heard enough.
        let _ = self.calls.lock().unwrap().send(due);
        (self.act)()
    }
}

fn next(calls: &Receiver<Instant>) -> Instant {
    calls.recv_timeout(DEADLINE).unwrap()
}

/// Waits until so many further ticks were made: time in which others would have had theirs.
fn let_pass(calls: &Receiver<Instant>, ticks: usize) {
    while calls.try_recv().is_ok() {}
    (0..ticks).for_each(|_| _ = next(calls));
}

/// Waits until nobody holds the session any more, which has the sender.
fn until_let_go(calls: &Receiver<Instant>) {
    let end = loop {
        if let Err(error) = calls.recv_timeout(DEADLINE) {
            break error;
        }
    };
    assert_eq!(end, RecvTimeoutError::Disconnected);
}

#[test]
fn ticks_are_due_20_ms_apart() {
    let pacer = Pacer::start(1).unwrap();
    let before = Instant::now();
    let (session, calls) = session(|| Tick::Again);
    let _ticket = pacer.add(session);
    let mut due = next(&calls);
    assert!(due > before && due <= Instant::now());
    for _ in 0..10 {
        let gap = next(&calls) - due;
        due += gap;
        // More than 20 ms after a jump, on a machine that stood still for 100 ms.
        assert!(gap == TICK || pacer.counters().jumps > 0, "{gap:?}");
    }
}

#[test]
fn a_dropped_ticket_ends_the_ticks_at_once() {
    let pacer = Pacer::start(1).unwrap();
    let (other, other_calls) = session(|| Tick::Again);
    let _other = pacer.add(other);
    let done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    let (slow, calls) = session(move || {
        std::thread::sleep(Duration::from_millis(15));
        counted.fetch_add(1, Ordering::SeqCst);
        Tick::Again
    });
    let ticket = pacer.add(Arc::clone(&slow) as Arc<dyn Paced>);
    next(&calls); // It runs now.
    drop(ticket);
    let at_drop = done.load(Ordering::SeqCst);
    assert!(at_drop >= 1, "the drop waits for the tick that runs");
    let_pass(&other_calls, 5);
    assert_eq!(done.load(Ordering::SeqCst), at_drop);
    assert_eq!(Arc::strong_count(&slow), 1, "the pacer let go of it");
}

#[test]
fn a_tick_may_drop_its_own_ticket() {
    let pacer = Pacer::start(1).unwrap();
    let (other, other_calls) = session(|| Tick::Again);
    let _other = pacer.add(other);
    let ticket: Arc<Mutex<Option<Ticket>>> = Arc::default();
    let own = Arc::clone(&ticket);
    let (leaver, calls) = session(move || match own.try_lock() {
        Ok(mut own) => {
            own.take();
            Tick::Again
        }
        Err(_) => Tick::Busy,
    });
    *ticket.lock().unwrap() = Some(pacer.add(leaver));
    next(&calls);
    let_pass(&other_calls, 5);
    assert!(ticket.lock().unwrap().is_none());
    until_let_go(&calls);
}

#[test]
fn one_that_panics_does_not_stop_the_others() {
    let pacer = Pacer::start(1).unwrap();
    let (good, good_calls) = session(|| Tick::Again);
    let _good = pacer.add(good);
    let (bad, bad_calls) = session(|| panic!("part of the test"));
    let _bad = pacer.add(bad);
    next(&bad_calls);
    let_pass(&good_calls, 5);
    assert_eq!(pacer.counters().panics, 1);
    until_let_go(&bad_calls);
}

#[test]
fn the_busy_one_is_called_again_for_the_same_due() {
    let pacer = Pacer::start(1).unwrap();
    let busy = AtomicBool::new(true);
    let (session, calls) = session(move || {
        if busy.swap(false, Ordering::SeqCst) {
            Tick::Busy
        } else {
            Tick::Again
        }
    });
    let _ticket = pacer.add(session);
    let due = next(&calls);
    assert_eq!(next(&calls), due);
    assert!(next(&calls) > due);
}

#[test]
fn a_parked_one_is_woken_by_its_ticket() {
    let pacer = Pacer::start(1).unwrap();
    let (other, other_calls) = session(|| Tick::Again);
    let _other = pacer.add(other);
    let (session, calls) = session(|| Tick::Park);
    let ticket = pacer.add(session);
    next(&calls);
    let_pass(&other_calls, 5);
    assert!(calls.try_recv().is_err(), "it is parked");
    ticket.wake();
    next(&calls);
}

#[test]
fn one_with_a_schedule_of_its_own_is_called_then_and_when_it_is_woken() {
    let pacer = Pacer::start(1).unwrap();
    let (timed, calls) = session(|| Tick::At(Instant::now() + Duration::from_millis(7)));
    let ticket = pacer.add_timed(timed);
    assert!(calls.try_recv().is_err(), "it is parked");
    ticket.wake();
    let due = next(&calls);
    assert!(next(&calls) >= due + Duration::from_millis(7));

    let (far, calls) = session(|| Tick::At(Instant::now() + Duration::from_hours(1)));
    let ticket = pacer.add_timed(far);
    for _ in 0..3 {
        ticket.wake();
        next(&calls);
    }
    assert!(calls.try_recv().is_err());
}

#[test]
fn an_idle_thread_takes_up_who_comes_later() {
    let pacer = Pacer::start(1).unwrap();
    for _ in 0..3 {
        let (session, calls) = session(|| Tick::Again);
        let ticket = pacer.add(session);
        next(&calls);
        drop(ticket);
    }
}

#[test]
fn sessions_are_shared_among_the_threads() {
    let pacer = Pacer::start(2).unwrap();
    let add = |_| {
        let (session, calls) = session(|| Tick::Again);
        (pacer.add(session), calls)
    };
    let added: Vec<_> = (0..6).map(add).collect();
    let entries: Vec<_> = pacer.threads.iter().map(PacerThread::entries).collect();
    assert_eq!(entries, [3, 3]);
    for (_, calls) in &added {
        next(calls);
    }
}

#[test]
fn a_dropped_pacer_calls_nobody_and_holds_nobody() {
    let pacer = Pacer::start(0).unwrap();
    let (session, calls) = session(|| Tick::Again);
    let ticket = pacer.add(Arc::clone(&session) as Arc<dyn Paced>);
    next(&calls);
    drop(pacer);
    assert_eq!(Arc::strong_count(&session), 1);
    ticket.wake();
    drop(ticket);
}

#[test]
fn a_tick_may_drop_the_pacer() {
    let pacer: Arc<Mutex<Option<Pacer>>> = Arc::default();
    let own = Arc::clone(&pacer);
    let (session, calls) = session(move || {
        own.lock().unwrap().take();
        Tick::Again
    });
    let ticket = {
        let mut pacer = pacer.lock().unwrap();
        pacer.insert(Pacer::start(1).unwrap()).add(session)
    };
    until_let_go(&calls);
    assert!(pacer.lock().unwrap().is_none());
    drop(ticket);
}
