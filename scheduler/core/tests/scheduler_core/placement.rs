//! Placement as a pure function: what must hold for whatever pool and whatever session.

use orb_scheduler_core::{Candidate, Exclusion, Standing, Wanted, WorkerId, place};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Machine {
    id: WorkerId,
    standing: Standing,
    total: u32,
    free: u32,
    sessions: usize,
    of_guild: usize,
    failed_lately: bool,
    kept: bool,
    go_live: bool,
}

impl Machine {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            worker: &self.id,
            standing: self.standing,
            total_millicores: self.total,
            free_millicores: self.free,
            sessions: self.sessions,
            of_guild: self.of_guild,
            failed_lately: self.failed_lately,
            kept: self.kept,
            go_live: self.go_live,
        }
    }

    fn fits(&self, need: u32, go_live: bool) -> bool {
        self.standing == Standing::Ready
            && !self.failed_lately
            && !self.kept
            && self.free >= need
            && (self.go_live || !go_live)
    }
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        5 => Just(Standing::Ready),
        1 => Just(Standing::Suspect),
        1 => Just(Standing::Unknown),
        1 => Just(Standing::Draining),
    ]
}

fn machines() -> impl Strategy<Value = Vec<Machine>> {
    let machine = (
        standing(),
        1..4_000u32,
        0..=1000u32,
        0..20usize,
        0..3usize,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        any::<bool>(),
    );
    prop::collection::vec(machine, 0..12).prop_map(|machines| {
        let build = |(index, machine)| {
            let (standing, total, free_permille, sessions, of_guild, failed, kept, go_live) =
                machine;
            Machine {
                id: WorkerId::new(format!("w{index}")),
                standing,
                total,
                free: total * free_permille / 1000,
                sessions,
                of_guild,
                failed_lately: failed,
                kept,
                go_live,
            }
        };
        machines.into_iter().enumerate().map(build).collect()
    })
}

fn wanted(need_millicores: u32, last_holder: Option<&WorkerId>) -> Wanted<'_> {
    Wanted {
        need_millicores,
        last_holder,
        go_live: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn never_to_an_excluded_worker_and_refused_only_when_nobody_fits(
        machines in machines(), need in 0..3_000u32, last in 0..14usize, go_live in any::<bool>(),
    ) {
        let last = WorkerId::new(format!("w{last}"));
        let wanted = Wanted { go_live, ..wanted(need, Some(&last)) };
        let decision = place(wanted, machines.iter().map(Machine::candidate));
        let fitting: Vec<_> = machines.iter().filter(|machine| machine.fits(need, go_live)).collect();
        match decision.worker() {
            None => prop_assert!(fitting.is_empty(), "refused although {fitting:?} fit"),
            Some(chosen) => {
                let chosen = machines.iter().find(|machine| &machine.id == chosen).unwrap();
                prop_assert!(chosen.fits(need, go_live), "{chosen:?} was chosen");
                if fitting.iter().any(|machine| machine.id == last) {
                    prop_assert_eq!(&chosen.id, &last, "the last holder has room");
                } else {
                    let apart = fitting.iter().map(|machine| machine.of_guild).min().unwrap();
                    prop_assert_eq!(chosen.of_guild, apart, "a worker with fewer of the guild's");
                    let load = |machine: &Machine| {
                        u64::from(machine.total - machine.free + need) * 1000 / u64::from(machine.total)
                    };
                    let least = fitting.iter().filter(|machine| machine.of_guild == apart)
                        .map(|machine| load(machine)).min().unwrap();
                    prop_assert_eq!(load(chosen), least, "a less loaded one fits");
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_facts_changes_nothing(
        (machines, shuffled) in machines().prop_flat_map(|machines| {
            (Just(machines.clone()), Just(machines).prop_shuffle())
        }),
        need in 0..3_000u32,
    ) {
        let one = place(wanted(need, None), machines.iter().map(Machine::candidate));
        let other = place(wanted(need, None), shuffled.iter().map(Machine::candidate));
        prop_assert_eq!(one.worker(), other.worker());
        prop_assert_eq!(one.explain().chosen, other.explain().chosen);
    }

    #[test]
    fn a_decision_accounts_for_every_worker(
        machines in machines(), need in 0..3_000u32, go_live in any::<bool>(),
    ) {
        let wanted = Wanted { go_live, ..wanted(need, None) };
        let decision = place(wanted, machines.iter().map(Machine::candidate));
        let explanation = decision.explain();
        let excluded: usize = explanation.excluded.values().map(|group| group.count).sum();
        prop_assert_eq!(explanation.considered, machines.len());
        prop_assert_eq!(explanation.fitting + excluded, machines.len());
        prop_assert_eq!(explanation.fitting == 0, explanation.chosen.is_none());
        for (candidate, exclusion) in decision.considered() {
            let full = candidate.free_millicores < need;
            match exclusion {
                None => prop_assert!(!full && candidate.standing == Standing::Ready),
                Some(Exclusion::Full) => prop_assert!(full),
                Some(Exclusion::Suspect) => prop_assert_eq!(candidate.standing, Standing::Suspect),
                Some(Exclusion::Unknown) => prop_assert_eq!(candidate.standing, Standing::Unknown),
                Some(Exclusion::Draining) => prop_assert_eq!(candidate.standing, Standing::Draining),
                Some(Exclusion::NoGoLive) => prop_assert!(go_live && !candidate.go_live),
                Some(Exclusion::FailedLately) => prop_assert!(candidate.failed_lately),
                Some(Exclusion::Kept) => prop_assert!(candidate.kept),
            }
        }
    }
}

#[test]
fn an_explanation_stays_small_whatever_the_number_of_workers() {
    let ids: Vec<WorkerId> = (0..1_000).map(|n| WorkerId::new(format!("w{n}"))).collect();
    let full = ids.iter().map(|worker| Candidate {
        worker,
        standing: Standing::Ready,
        total_millicores: 2_000,
        free_millicores: 100,
        sessions: 3,
        of_guild: 0,
        failed_lately: false,
        kept: false,
        go_live: false,
    });
    let explanation = place(wanted(650, None), full).explain();
    let text = serde_json::to_string(&explanation).unwrap();
    assert!(text.len() < 300, "{text}");
    assert!(text.contains(r#""full":{"count":1000"#), "{text}");
}
