//! Whatever happens in whatever order, these hold: see `checks.rs` and `queues.rs` for what, `world.rs` for how.

mod checks;
mod pictures;
mod pool;
mod queues;
mod world;

use orb_scheduler_core::{Action, EntryId, QueueChange};
use proptest::prelude::*;
use world::World;

#[derive(Debug, Clone)]
enum Happening {
    Create(u8),
    Play(u8, i64),
    Control(u8, Action),
    /// The voice events that Discord owes, the oldest first.
    Discord,
    Kick(u8),
    Move(u8, u64),
    Audience(u8, u32),
    VoiceLost(u8, u16, bool),
    LiveRefused(u8),
    /// The process attaches, a new one when the last one died.
    Attach(u8),
    Reset(u8),
    /// Its stream is reset, it misses the word about a call, and it is back within the grace.
    Blink(u8, u8, Action),
    Kill(u8),
    /// The item kills its worker, and every other one that gets it.
    CrashLoop(u8),
    Drain(u8),
    Grow(u8, u32),
    /// It gives back what it was leased last.
    Decline(u8),
    /// An item that is played ends, or fails.
    End(u8, bool),
    Add(u8, Vec<i64>, bool),
    Remove(u8, u8),
    Reorder(u8, u64),
    Shift(u8, u8, usize),
    Clear(u8),
    /// A film without an entry of its caller's.
    PlayFilm(u8, i64),
    /// An entry that waits.
    Start(u8, u8),
    /// The worker goes on to the next item by itself, and says so now or with its next beat.
    Advance(u8, bool),
    /// The same, and a call comes before its report does.
    Cross(u8, Action),
    CrossClear(u8),
    /// The next item is opened ahead, or cannot be.
    Prepare(u8, bool),
    Beat(u8),
    /// Time passes; only these workers beat meanwhile (a bit each).
    Pass(u64, u8),
    LeaderPause(u64),
    LeaderChange,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    let action = prop_oneof![
        Just(Action::Pause),
        Just(Action::Resume),
        Just(Action::Skip { entry: None }),
        Just(Action::Stop),
        Just(Action::End),
        Just(Action::Previous { entry: None }),
        Just(Action::Start { entry: None }),
        (1..8u64).prop_map(|id| Action::Skip {
            entry: Some(EntryId::new(id))
        }),
        (-70_000..70_000i64).prop_map(|delta_ms| Action::SeekBy { delta_ms }),
        (-10..70_000i64).prop_map(|position_ms| Action::Seek { position_ms }),
    ]
    .boxed();
    let code = prop::sample::select(vec![4006u16, 4009, 4014, 4015]);
    prop_oneof![
        3 => (0..5u8).prop_map(H::Create),
        5 => (0..5u8, 1..4i64).prop_map(|(s, e)| H::Play(s, e)),
        4 => (0..5u8, action.clone()).prop_map(|(s, a)| H::Control(s, a)),
        5 => Just(H::Discord),
        1 => (0..5u8).prop_map(H::Kick),
        1 => (0..5u8, 500..502u64).prop_map(|(s, c)| H::Move(s, c)),
        1 => (0..5u8, 0..2u32).prop_map(|(s, p)| H::Audience(s, p)),
        1 => (0..5u8, code.clone(), Just(false)).prop_map(|(s, c, p)| H::VoiceLost(s, c, p)),
        2 => (3..5u8, code, Just(true)).prop_map(|(s, c, p)| H::VoiceLost(s, c, p)),
        1 => (3..5u8).prop_map(H::LiveRefused),
        6 => (0..3u8).prop_map(H::Attach),
        2 => (0..3u8).prop_map(H::Reset),
        2 => (0..3u8, 0..5u8, action.clone()).prop_map(|(w, s, a)| H::Blink(w, s, a)),
        2 => (0..3u8).prop_map(H::Kill),
        1 => (0..5u8).prop_map(H::CrashLoop),
        2 => (0..3u8).prop_map(H::Drain),
        1 => (0..3u8, 0..3_000u32).prop_map(|(w, m)| H::Grow(w, m)),
        1 => (0..5u8).prop_map(H::Decline),
        2 => (0..5u8, any::<bool>()).prop_map(|(s, f)| H::End(s, f)),
        4 => (0..5u8, prop::collection::vec(1..4i64, 1..4), any::<bool>())
            .prop_map(|(s, f, n)| H::Add(s, f, n)),
        1 => (0..5u8, any::<u8>()).prop_map(|(s, e)| H::Remove(s, e)),
        1 => (0..5u8, any::<u64>()).prop_map(|(s, seed)| H::Reorder(s, seed)),
        1 => (0..5u8, any::<u8>(), 0..6usize).prop_map(|(s, e, to)| H::Shift(s, e, to)),
        1 => (0..5u8).prop_map(H::Clear),
        1 => (0..5u8, 1..4i64).prop_map(|(s, f)| H::PlayFilm(s, f)),
        1 => (0..5u8, any::<u8>()).prop_map(|(s, e)| H::Start(s, e)),
        5 => (0..5u8, any::<bool>()).prop_map(|(s, h)| H::Advance(s, h)),
        4 => (0..5u8, action.clone()).prop_map(|(s, a)| H::Cross(s, a)),
        1 => (0..5u8).prop_map(H::CrossClear),
        2 => (0..5u8, any::<bool>()).prop_map(|(s, f)| H::Prepare(s, f)),
        8 => (0..3u8).prop_map(H::Beat),
        8 => (0..6_000u64, 0..8u8).prop_map(|(ms, w)| H::Pass(ms, w)),
        1 => (0..20_000u64).prop_map(H::LeaderPause),
        1 => Just(H::LeaderChange),
    ]
}

fn happen(world: &mut World, happening: &Happening) {
    use Happening as H;
    match *happening {
        H::Create(s) => world.create(s),
        H::Play(s, entry) => world.play(s, entry),
        H::Control(s, action) => world.control(s, action),
        H::Discord => world.discord(),
        H::Kick(s) => world.kick(s),
        H::Move(s, channel) => world.move_to(s, channel),
        H::Audience(s, people) => world.audience(s, people),
        H::VoiceLost(s, code, stream) => world.lose_voice(s, code, stream),
        H::LiveRefused(s) => world.refuse_live(s),
        H::Attach(w) => world.attach(w.into()),
        H::Reset(w) => world.reset(w.into()),
        H::Blink(w, s, action) => {
            world.reset(w.into());
            world.control(s, action);
            world.attach(w.into());
        }
        H::Kill(w) => world.kill(w.into()),
        H::CrashLoop(s) => world.crash_loop(s),
        H::Drain(w) => world.drain(w.into()),
        H::Grow(w, millicores) => world.grow(w.into(), millicores),
        H::Decline(s) => world.decline(s),
        H::End(s, fails) => world.end(s, fails),
        H::Add(s, ref films, next) => world.add(s, films, next),
        H::Remove(s, which) => {
            if let Some(entry) = world.waiting(s, which) {
                world.edit(s, QueueChange::Remove(vec![entry]));
            }
        }
        H::Reorder(s, seed) => world.reorder(s, seed),
        H::Shift(s, which, to_index) => {
            if let Some(entry) = world.waiting(s, which) {
                world.edit(s, QueueChange::Move { entry, to_index });
            }
        }
        H::Clear(s) => world.edit(s, QueueChange::Clear),
        H::PlayFilm(s, film) => world.play_film(s, film),
        H::Start(s, which) => {
            let entry = world.waiting(s, which);
            world.control(s, Action::Start { entry });
        }
        H::Advance(s, heard) => world.advance(s, heard),
        H::Cross(s, action) => world.cross(s, |world| world.control(s, action)),
        H::CrossClear(s) => world.cross(s, |world| world.edit(s, QueueChange::Clear)),
        H::Prepare(s, fails) => world.prepare(s, fails),
        H::Beat(w) => world.beat(w.into()),
        H::Pass(ms, beating) => world.pass(ms, |w| beating & (1 << w) != 0),
        H::LeaderPause(ms) => world.leader_pause(ms),
        H::LeaderChange => world.leader_change(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut world = World::new();
        for happening in &happenings {
            happen(&mut world, happening);
        }
        world.memory_is_what_is_durable();
        world.every_call_was_answered();
        world.faults_end();
        world.every_party_is_carried_out();
        world.pauses_are_shown();
    }
}
