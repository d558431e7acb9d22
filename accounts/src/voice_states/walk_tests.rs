//! Random walks: whatever Discord and the scheduler do, few commands go out, and an honest Discord is enough to come
//! out of it.

use std::collections::VecDeque;

use super::script::{
    In::{
        Created, Ended, EndedAsAsked, GoLive, Join, Leave, NewSession, NoServer, NoStreamServer,
        Outage, Passes, Pause, Refresh, RefreshLive, Refused, RemovedFromGuild, Resumed, Seated,
        Server, StreamServer, Unseated, Updated,
    },
    *,
};
use crate::LiveRefusal;

/// As `PAUSES` has it: in any minute.
const CREATIONS_A_MINUTE: usize = 4;

/// Numerical Recipes' generator: the same walk for the same seed.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % sides
    }

    fn pick(&mut self) -> In {
        let channel = 5 + u64::from(self.roll(2));
        match self.roll(24) {
            0 => Join(channel),
            1..=3 => GoLive(channel),
            4 => Leave,
            5 => Refresh,
            6 => RefreshLive,
            7 => Pause(self.roll(2) == 0),
            8 => Seated(channel, ["s", "s2"][self.roll(2) as usize]),
            9 => Unseated,
            10 => Server(["t", "u"][self.roll(2) as usize]),
            11 => NoServer,
            12 => Created(channel, 90 + u64::from(self.roll(3))),
            13 => StreamServer(channel, ["w", "x"][self.roll(2) as usize]),
            14 => NoStreamServer(channel),
            15 => Ended(channel),
            16 => Outage(channel),
            17 => Refused(channel, LiveRefusal::StreamFull),
            18 => RemovedFromGuild,
            19 => NewSession,
            20 => Resumed,
            21 => EndedAsAsked(channel),
            22 => Updated(channel, self.roll(2) == 0),
            _ => Passes(u64::from(self.roll(8))),
        }
    }
}

/// What an honest Discord says to what was sent.
fn answers(effects: &str) -> Vec<In> {
    let answer = |effect: &str| match effect.split_once(' ') {
        Some(("send", "out")) => vec![Unseated],
        Some(("send", channel)) => {
            let channel = channel.parse().expect("a channel");
            vec![Seated(channel, "h"), Server("h")]
        }
        Some(("create", channel)) => {
            let channel = channel.parse().expect("a channel");
            vec![Created(channel, 200), StreamServer(channel, "h")]
        }
        Some(("end", channel)) => vec![EndedAsAsked(channel.parse().expect("a channel"))],
        _ => Vec::new(),
    };
    effects.split(", ").flat_map(answer).collect()
}

#[test]
fn few_streams_are_made_and_an_honest_discord_is_enough() {
    for seed in 0..3_000 {
        let mut dice = Dice(seed);
        let mut script = Script::new(Vec::new());
        let mut walk = Vec::new();
        let mut made: VecDeque<u64> = VecDeque::new();
        let mut clock = 0;
        let mut step = |script: &mut Script, input: In, walk: &mut Vec<(In, String)>| {
            if let Passes(seconds) = input {
                clock += seconds;
            }
            let effects = script.step(input);
            walk.push((input, effects.clone()));
            let commands = effects.split(", ").filter(|effect| {
                ["send", "create", "end", "pause"]
                    .iter()
                    .any(|op| effect.starts_with(op))
            });
            assert!(commands.count() <= 3, "{walk:#?}");
            for _ in effects.matches("create") {
                made.push_back(clock);
            }
            while made.front().is_some_and(|at| at + 60 <= clock) {
                made.pop_front();
            }
            assert!(made.len() <= CREATIONS_A_MINUTE, "{walk:#?}");
            effects
        };
        for _ in 0..60 {
            let input = dice.pick();
            step(&mut script, input, &mut walk);
        }
        // From here on Discord answers what it is asked.
        let mut told = String::new();
        for input in [NewSession, Passes(100), Leave, Passes(100), GoLive(5)] {
            let mut todo = VecDeque::from([input]);
            while let Some(input) = todo.pop_front() {
                told = step(&mut script, input, &mut walk);
                todo.extend(answers(&told));
                assert!(walk.len() < 200, "no end of it: {walk:#?}");
            }
        }
        assert!(told.ends_with("credentials 5 h h live 200 h"), "{walk:#?}");
        assert!(!script.states.holds_untold(), "{walk:#?}");
    }
}
