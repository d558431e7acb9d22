//! Between those who wait before the gate and the stream to the scheduler.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orb_proto::v1;
use orb_voice::{Permit, Refused};
use tokio::sync::{Notify, oneshot};

use super::{LeaseRef, Question, Questions, WaiterId};

type Outcome = Result<Permit, Refused>;

/// One a worker; all its gates ask here. Bounded by the sessions: each has one step at a time that waits, two while
/// one connection replaces another.
#[derive(Default)]
pub(crate) struct GateDesk {
    state: Mutex<State>,
    came: Notify,
}

#[derive(Default)]
struct State {
    questions: Questions,
    waiting: BTreeMap<WaiterId, oneshot::Sender<Outcome>>,
}

impl GateDesk {
    /// Waits for the scheduler's word. Dropping it withdraws the question.
    pub(super) async fn pass(&self, lease: LeaseRef) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        let id = {
            let mut state = self.lock();
            let id = state.questions.wait(lease);
            state.waiting.insert(id, sender);
            id
        };
        let _place = Place { desk: self, id };
        self.came.notify_one();
        match outcome.await {
            Ok(outcome) => outcome,
            // Its sender goes with an outcome only. Whoever knows no outcome waits.
            Err(_) => std::future::pending().await,
        }
    }

    /// From now on questions go to a new stream, until the returned value is dropped.
    pub(crate) fn attached(&self, permit: Duration) -> Asking<'_> {
        if permit.is_zero() {
            tracing::warn!(
                "this scheduler confirms no leases; voice connections wait for one that does"
            );
        }
        self.lock().questions.attached(permit);
        Asking { desk: self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place before the gate.
struct Place<'a> {
    desk: &'a GateDesk,
    id: WaiterId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.questions.withdraw(self.id);
        state.waiting.remove(&self.id);
    }
}

/// The stream's side of the desk. Dropping it voids what was asked on this stream.
pub(crate) struct Asking<'a> {
    desk: &'a GateDesk,
}

impl Asking<'_> {
    /// Waits until something is to be asked. Permits count from before this returns, so hand it on at once.
    pub(crate) async fn question(&self) -> v1::ConfirmLeases {
        loop {
            let next = {
                let mut state = self.desk.lock();
                if let Some(question) = state.questions.question(Instant::now()) {
                    return message(question);
                }
                state.questions.next_question_at()
            };
            tokio::select! {
                () = self.desk.came.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Takes in an answer and lets through who may pass.
    pub(crate) fn answer(&self, confirmed: v1::LeasesConfirmed) {
        let verdicts: BTreeMap<LeaseRef, bool> = confirmed
            .verdicts
            .into_iter()
            .filter_map(|verdict| Some((lease_ref(verdict.lease?), verdict.held)))
            .collect();
        let mut state = self.desk.lock();
        let answered = state
            .questions
            .answer(confirmed.request_id, &verdicts, Instant::now());
        if let Some(took) = answered.first_late {
            tracing::warn!(
                ?took,
                "the scheduler confirmed a lease too late to act on it; asking again"
            );
        }
        for (id, outcome) in answered.outcomes {
            if let Some(waiting) = state.waiting.remove(&id) {
                // Whoever has gone meanwhile does not dial.
                let _ = waiting.send(outcome);
            }
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.desk.lock().questions.detached();
    }
}

fn message(question: Question) -> v1::ConfirmLeases {
    let lease_ref = |lease: LeaseRef| v1::LeaseRef {
        session_id: lease.session,
        token: lease.token,
    };
    v1::ConfirmLeases {
        request_id: question.request,
        leases: question.leases.into_iter().map(lease_ref).collect(),
    }
}

fn lease_ref(lease: v1::LeaseRef) -> LeaseRef {
    LeaseRef {
        session: lease.session_id,
        token: lease.token,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use orb_voice::{Gate, Step};

    use super::*;
    use crate::gate::LeaseGate;

    const PERMIT: Duration = Duration::from_mins(1);

    fn held(question: &v1::ConfirmLeases) -> v1::LeasesConfirmed {
        let verdict = |lease: &v1::LeaseRef| v1::LeaseVerdict {
            lease: Some(lease.clone()),
            held: true,
        };
        v1::LeasesConfirmed {
            request_id: question.request_id,
            verdicts: question.leases.iter().map(verdict).collect(),
        }
    }

    #[tokio::test]
    async fn a_step_waits_for_a_stream_and_its_permit_counts_from_before_the_question() {
        let desk = Arc::new(GateDesk::default());
        let gate = LeaseGate::new(Arc::clone(&desk), "s", 1);
        let passing = tokio::spawn(async move { gate.pass(Step::Identify).await });
        let asking = desk.attached(PERMIT);
        let question = asking.question().await;
        let handed_over = Instant::now();
        asking.answer(held(&question));
        let permit = passing.await.unwrap().unwrap();
        assert!(permit.expires <= handed_over + PERMIT);
        assert!(permit.expires > handed_over);
    }

    #[tokio::test]
    async fn a_step_that_is_given_up_is_asked_for_no_more() {
        let desk = Arc::new(GateDesk::default());
        let [given_up, other] = ["s", "t"].map(|s| LeaseGate::new(Arc::clone(&desk), s, 1));
        let mut passing = given_up.pass(Step::Resume);
        tokio::select! {
            biased;
            _ = &mut passing => panic!("nobody was asked"),
            () = std::future::ready(()) => {}
        }
        drop(passing);
        let asking = desk.attached(PERMIT);
        let other = tokio::spawn(async move { other.pass(Step::Dial).await });
        let question = asking.question().await;
        assert_eq!(question.leases.len(), 1);
        assert_eq!(question.leases[0].session_id, "t");
        other.abort();
        assert!(other.await.unwrap_err().is_cancelled());
        assert!(desk.lock().waiting.is_empty(), "both have gone");
    }

    #[tokio::test]
    async fn what_was_asked_on_a_stream_that_ended_is_asked_again() {
        let desk = Arc::new(GateDesk::default());
        let gate = LeaseGate::new(Arc::clone(&desk), "s", 1);
        let passing = tokio::spawn(async move { gate.pass(Step::Dial).await });
        let first = {
            let asking = desk.attached(PERMIT);
            asking.question().await
        };
        let asking = desk.attached(PERMIT);
        asking.answer(held(&first));
        let second = asking.question().await;
        assert_ne!(first.request_id, second.request_id);
        assert!(!passing.is_finished());
        asking.answer(held(&second));
        passing.await.unwrap().unwrap();
    }
}
