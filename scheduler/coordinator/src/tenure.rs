//! Until when a leadership is sure.

use tokio::sync::watch;
use tokio::time::Instant;

/// How a leadership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It could not be renewed by its deadline. Another may lead from some time later on.
    Expired,
    /// etcd says that it is not ours any more: the lease or the key has gone. Another may lead already.
    Lost,
    /// Handed over.
    Resigned,
    /// Dropped without a word; others wait until the lease has run out.
    Dropped,
}

/// Until when a leadership is sure. Cheap to clone and to ask.
#[derive(Debug, Clone)]
pub struct Tenure(watch::Receiver<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    Until(Instant),
    Over { how: Ended, at: Instant },
}

impl Tenure {
    /// Whether this process leads at this moment. Once false, it stays false.
    pub fn holds(&self) -> bool {
        let state = self.0.borrow();
        // The clock is read under the lock; `Term::extend` does the same, hence "stays false".
        matches!(*state, State::Until(deadline) if Instant::now() < deadline)
    }

    /// The moment until which it is sure, as known now; when it has ended, the moment of the end.
    pub fn deadline(&self) -> Instant {
        match *self.0.borrow() {
            State::Until(deadline) => deadline,
            State::Over { at, .. } => at,
        }
    }

    /// Waits for the end, and says what it was.
    pub async fn ended(&self) -> Ended {
        let mut state = self.0.clone();
        loop {
            let deadline = match *state.borrow_and_update() {
                State::Over { how, .. } => return how,
                State::Until(deadline) if Instant::now() >= deadline => return Ended::Expired,
                State::Until(deadline) => deadline,
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                Ok(()) = state.changed() => {}
            }
        }
    }
}

/// The leadership's side of a [`Tenure`].
#[derive(Debug, Clone)]
pub(crate) struct Term(watch::Sender<State>);

impl Term {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self(watch::Sender::new(State::Until(deadline)))
    }

    pub(crate) fn tenure(&self) -> Tenure {
        Tenure(self.0.subscribe())
    }

    /// Moves the deadline, unless it has passed: then the term is over for good, however late the answer
    /// that would have renewed it was read. Whether it goes on.
    pub(crate) fn extend(&self, until: Instant) -> bool {
        let mut goes_on = false;
        self.0.send_if_modified(|state| {
            let State::Until(deadline) = *state else {
                return false;
            };
            let now = Instant::now();
            goes_on = now < deadline;
            *state = if goes_on {
                State::Until(until.max(deadline))
            } else {
                State::Over {
                    how: Ended::Expired,
                    at: deadline,
                }
            };
            true
        });
        goes_on
    }

    /// The first end counts.
    pub(crate) fn end(&self, how: Ended) {
        self.0.send_if_modified(|state| {
            let State::Until(deadline) = *state else {
                return false;
            };
            let now = Instant::now();
            *state = if now < deadline {
                State::Over { how, at: now }
            } else {
                State::Over {
                    how: Ended::Expired,
                    at: deadline,
                }
            };
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ahead(millis: u64) -> Instant {
        Instant::now() + Duration::from_millis(millis)
    }

    #[tokio::test]
    async fn a_passed_deadline_never_comes_back() {
        let term = Term::until(ahead(20));
        let tenure = term.tenure();
        assert!(tenure.holds());
        assert_eq!(tenure.ended().await, Ended::Expired);
        assert!(!tenure.holds());
        assert!(!term.extend(ahead(60_000)), "an answer that came too late");
        assert!(!tenure.holds());
        assert_eq!(tenure.ended().await, Ended::Expired);
    }

    #[tokio::test]
    async fn extending_moves_the_deadline_forward_only() {
        let (near, far) = (ahead(60_000), ahead(120_000));
        let term = Term::until(near);
        assert!(term.extend(far));
        assert_eq!(term.tenure().deadline(), far);
        assert!(term.extend(near), "an answer to an earlier keep-alive");
        assert_eq!(term.tenure().deadline(), far);
    }

    #[tokio::test]
    async fn whoever_waits_hears_the_first_end() {
        let term = Term::until(ahead(60_000));
        let tenure = term.tenure();
        let waiting = tokio::spawn({
            let tenure = tenure.clone();
            async move { tenure.ended().await }
        });
        term.end(Ended::Resigned);
        term.end(Ended::Dropped);
        assert_eq!(waiting.await.expect("it does not panic"), Ended::Resigned);
        assert!(!tenure.holds());
        assert!(tenure.deadline() <= Instant::now());
    }
}
