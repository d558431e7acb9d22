//! The session from one item to the next, under any order of words and news.

use proptest::prelude::*;

use super::advance_tests::{at_start, failure, tell, then};
use super::tests::fence;
use super::*;

/// A change of the desired record.
#[derive(Debug, Clone)]
struct Change {
    current: i64,
    next: i64,
    seeks: bool,
    hold: bool,
    live: bool,
    role: Role,
}

fn change() -> impl Strategy<Value = Change> {
    let role = prop_oneof![
        4 => Just(Role::Holds),
        1 => (0..20_000_u64).prop_map(|position_ms| Role::HoldsUntil { position_ms }),
    ];
    let current = prop_oneof![6 => Just(1), 1 => 0..4_i64];
    let seeks = proptest::bool::weighted(0.2);
    let live = proptest::bool::weighted(0.3);
    let parts = (current, 0..4_i64, seeks, any::<bool>(), live, role);
    parts.prop_map(|(current, next, seeks, hold, live, role)| Change {
        current,
        next: if next == current { 0 } else { next },
        seeks,
        hold,
        live,
        role,
    })
}

/// The record after a change, as a scheduler keeps it.
fn changed(before: &Desired, change: &Change, generation: u64) -> Desired {
    let named = before.current.as_ref().map(|item| item.entry_id as i64);
    let mut desired = then(change.current, at_start(generation), change.next);
    if named == Some(change.current) {
        desired.current_set_at = before.current_set_at;
        if change.seeks {
            desired.anchor.position_ms = 30_000;
        } else {
            desired.anchor = before.anchor;
        }
    }
    if change.current == 0 {
        desired.current = None;
    }
    desired.paused = change.hold;
    desired.go_live = change.live;
    desired
}

/// Stands for the current run, the prepared one, one that was dropped.
const OF_CURRENT: u64 = 0;
const OF_NEXT: u64 = 1;
const OF_ANY: std::ops::Range<u64> = 0..3;

fn run_of(session: &Session, which: u64) -> u64 {
    match which {
        OF_CURRENT => session.current_run(),
        OF_NEXT => session.prepared_run().unwrap_or_default(),
        _ => session.current_run().saturating_sub(1),
    }
}

/// What else may come in, whatever came before.
fn news_of_the_world() -> impl Strategy<Value = Input> {
    let of_pipeline = prop_oneof![
        6 => Just(PipelineNews::Ready),
        1 => Just(PipelineNews::Read),
        1 => Just(PipelineNews::Failed(failure())),
    ];
    prop_oneof![
        6 => (OF_ANY, of_pipeline).prop_map(|(run, news)| Input::Pipeline { run, news }),
        4 => Just(Input::MayPrepare),
        1 => Just(Input::TooDear { run: OF_NEXT }),
        1 => Just(Input::Voice(VoiceNews::Started)),
        2 => Just(Input::Voice(VoiceNews::Drained)),
    ]
}

/// The other side of the actions: which pipelines are open, and which one is heard.
#[derive(Debug, Default)]
struct Stage {
    /// With its entry.
    current: Option<(u64, u64)>,
    next: Option<(u64, u64)>,
    /// The run that the voice output is fed from.
    fed: Option<u64>,
    /// The run that it would go over to.
    joins: Option<u64>,
    /// The runs with a picture.
    pictures: std::collections::BTreeSet<u64>,
}

impl Stage {
    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        if let Action::Open {
            run, picture: true, ..
        }
        | Action::Prepare {
            run, picture: true, ..
        } = action
        {
            self.pictures.insert(*run);
        }
        match action {
            Action::Open {
                run, item, warm, ..
            } => {
                self.current = Some((*run, item.entry_id));
                self.fed = (!warm).then_some(*run);
                self.joins = None;
            }
            Action::Prepare { run, item, .. } => {
                prop_assert_eq!(self.next, None, "two are prepared");
                self.next = Some((*run, item.entry_id));
            }
            Action::Join { run } => {
                prop_assert_eq!(self.next.map(|(next, _)| next), Some(*run));
                self.joins = Some(*run);
            }
            Action::DropNext => {
                prop_assert!(self.next.take().is_some());
                self.joins = None;
            }
            Action::Advance => {
                self.current = self.next.take();
                prop_assert!(self.current.is_some());
                self.joins = None;
            }
            Action::Feed { .. } => self.fed = self.current.map(|(run, _)| run),
            Action::Close => {
                self.current = None;
                self.fed = None;
                self.joins = None;
            }
            _ => {}
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes(
        steps in proptest::collection::vec(
            (prop_oneof![1 => change().prop_map(Ok), 3 => news_of_the_world().prop_map(Err)], any::<bool>()),
            1..60,
        )
    ) {
        let mut session = Session::new();
        let mut stage = Stage::default();
        let mut desired = Desired::default();
        let mut broken = std::collections::BTreeSet::new();
        for (step, joins) in steps {
            // The voice output may go over at any moment at which it may at all, also right before a word.
            if let Some(run) = stage.joins.take_if(|_| joins) {
                stage.fed = Some(run);
                let joined = VoiceNews::Joined { run, started: true };
                for action in session.handle(Input::Voice(joined)) {
                    stage.act(&action)?;
                }
                prop_assert_eq!(session.current_run(), run);
            }
            let before = session.reported();
            let actions = match &step {
                Ok(change) => {
                    stage.joins = None;
                    let fence = fence(1, session.fence().generation + 1);
                    desired = changed(&desired, change, fence.generation);
                    tell(&mut session, fence, desired.clone(), change.role)
                }
                // What has no source says nothing.
                Err(Input::Voice(_)) if stage.fed.is_none() => continue,
                Err(input) => {
                    let mut input = input.clone();
                    if let Input::Pipeline { run, .. } | Input::TooDear { run } = &mut input {
                        *run = run_of(&session, *run);
                    }
                    if let Input::Pipeline { run, news: PipelineNews::Failed(_) } = &input {
                        broken.insert(*run);
                    }
                    session.handle(input)
                }
            };
            for action in &actions {
                stage.act(action)?;
            }
            prop_assert!(session.reported() >= before, "reports only rise: {:?}", step);
            let may_be_heard = desired.current.iter().chain(&desired.next);
            let mut may_be_heard = may_be_heard.map(|item| item.entry_id);
            if let Some(fed) = stage.fed {
                let (run, entry) = stage.current.expect("what is heard is open");
                prop_assert_eq!(run, fed, "one is heard, another is the current one");
                prop_assert_eq!((session.current_run(), session.entry_id()), (run, Some(entry)));
                prop_assert!(may_be_heard.any(|named| named == entry), "{} is heard: {:?}", entry, step);
            }
            prop_assert_eq!(stage.next.map(|(run, _)| run), session.prepared_run());
            if let Some(next) = session.prepared_run() {
                prop_assert_eq!(stage.pictures.contains(&next), desired.go_live, "{:?}", step);
            }
            if let Some((run, _)) = stage.current {
                prop_assert_eq!(stage.pictures.contains(&run), session.has_picture());
                // Who is to stop leaves it to his successor, and what breaks off is played out.
                if !session.is_to_end() && !broken.contains(&run) {
                    prop_assert_eq!(session.has_picture(), desired.go_live, "{:?}", step);
                }
            }
            if session.advanced_from().is_some() {
                prop_assert_ne!(session.advanced_from(), session.entry_id());
            }
        }
    }
}
