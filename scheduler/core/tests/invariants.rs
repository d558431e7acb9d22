//! Whatever happens in whatever order, these hold.
#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::{ACCOUNT, GUILD, Harness};
use orb_scheduler_core::{
    Action, CallId, Effect, EndReason, Event, Incarnation, Now, PlaybackState, WorkerId, Write,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Happening {
    Create(u8),
    Play(u8, i64),
    Control(u8, u8),
    Seek(u8, i64),
    Report(u8, u8),
    End(u8),
    VoiceLost(u8, u16),
    Credentials(u8),
    Left(bool),
    Attach(u8, u8),
    Detach(u8, u8),
    Wait(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..3u8).prop_map(Happening::Create),
        (0..3u8, 1..4i64).prop_map(|(s, e)| Happening::Play(s, e)),
        (0..3u8, 0..4u8).prop_map(|(s, a)| Happening::Control(s, a)),
        (0..3u8, -10..70_000i64).prop_map(|(s, p)| Happening::Seek(s, p)),
        (0..3u8, 0..3u8).prop_map(|(s, p)| Happening::Report(s, p)),
        (0..3u8).prop_map(Happening::End),
        (
            0..3u8,
            prop::sample::select(vec![4006u16, 4009, 4014, 4015])
        )
            .prop_map(|(s, c)| Happening::VoiceLost(s, c)),
        (0..9u8).prop_map(Happening::Credentials),
        any::<bool>().prop_map(Happening::Left),
        (1..3u8, 1..3u8).prop_map(|(w, l)| Happening::Attach(w, l)),
        (1..3u8, 1..3u8).prop_map(|(w, l)| Happening::Detach(w, l)),
        (0..6_000u64).prop_map(Happening::Wait),
    ]
}

/// Runs them all; returns the calls that were made.
fn run(harness: &mut Harness, happenings: &[Happening]) -> Vec<CallId> {
    let mut calls = Vec::new();
    let name = |s: u8| format!("s{s}");
    for happening in happenings {
        match *happening {
            Happening::Create(s) => calls.push(harness.create(&name(s))),
            Happening::Play(s, entry) => calls.push(harness.play(&name(s), entry)),
            Happening::Control(s, a) => {
                let action =
                    [Action::Pause, Action::Resume, Action::Skip, Action::Stop][usize::from(a)];
                calls.push(harness.control(&name(s), action));
            }
            Happening::Seek(s, position_ms) => {
                calls.push(harness.control(&name(s), Action::Seek { position_ms }));
            }
            Happening::Report(s, p) if harness.is_leased(&name(s)) => {
                let playback = [
                    PlaybackState::Playing,
                    PlaybackState::Paused,
                    PlaybackState::Loading,
                ][usize::from(p)];
                harness.report(&name(s), playback, 1_000);
            }
            Happening::End(s) if harness.is_leased(&name(s)) => {
                harness.report_end(&name(s), EndReason::Finished, None);
            }
            Happening::VoiceLost(s, code) if harness.has_credentials(&name(s)) => {
                harness.report_loss(&name(s), code);
            }
            Happening::Report(..) | Happening::End(_) | Happening::VoiceLost(..) => {}
            Happening::Credentials(n) => {
                harness.credentials(&format!("voice-{n}"));
            }
            Happening::Left(asked) => {
                harness.event(Event::VoiceLeft {
                    account: ACCOUNT,
                    guild_id: GUILD,
                    asked,
                });
            }
            Happening::Attach(w, life) => {
                harness.attach(&format!("w{w}"), &format!("life-{life}"), vec![]);
            }
            Happening::Detach(w, life) => {
                harness.event(Event::Detached {
                    worker: WorkerId::new(format!("w{w}")),
                    incarnation: Incarnation::new(format!("life-{life}")),
                });
            }
            Happening::Wait(ms) => harness.wait(ms),
        }
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(happenings in prop::collection::vec(happening(), 1..60)) {
        let mut harness = Harness::new();
        let calls = run(&mut harness, &happenings);

        // LS-1: the words about one session are ordered: a fence never falls, and tokens, once granted
        // to one worker process, are never granted to another.
        let mut newest = BTreeMap::new();
        let mut holders: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for effect in &harness.effects {
            if let Effect::SendLease { session, fence, incarnation, worker, .. } = effect {
                let last = newest.insert(session.clone(), *fence);
                prop_assert!(last.is_none_or(|last| last <= *fence), "the fence of {session} fell");
                let life = format!("{worker}/{incarnation}");
                holders.entry((session.clone(), fence.token)).or_default().insert(life);
            }
        }
        prop_assert!(holders.values().all(|lives| lives.len() == 1), "{holders:?}");

        // LS-2: at no commit do two sessions hold one account in one guild.
        let mut durable = BTreeMap::new();
        for write in &harness.writes {
            if let Write::Session(record, _) = write {
                durable.insert(record.id.clone(), (record.account, record.guild_id.clone()));
                let held: Vec<_> = durable.values().filter(|(account, _)| account.is_some()).collect();
                let distinct: BTreeSet<_> = held.iter().collect();
                prop_assert_eq!(held.len(), distinct.len(), "an account is held twice");
            }
        }

        // LS-3: every call is answered once, at the latest when its bounded wait is over.
        harness.wait(5_000);
        for call in calls {
            prop_assert!(harness.answer(call).is_some(), "{call:?} was never answered");
        }

        // LS-4: what is durable is what is in memory: the next leader knows the same sessions.
        let before: BTreeMap<_, _> = harness.scheduler.views(Now::default())
            .into_iter().map(|view| (view.id, (view.generation, view.end_reason, view.queue_entry_id))).collect();
        let restarted = harness.restart();
        let after: BTreeMap<_, _> = restarted.scheduler.views(Now::default())
            .into_iter().map(|view| (view.id, (view.generation, view.end_reason, view.queue_entry_id))).collect();
        prop_assert_eq!(before, after);
    }
}
