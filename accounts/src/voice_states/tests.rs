//! Tables: each line an input, and what comes of it at once.

use super::script::{
    In::{
        HoldBack, Join, Leave, NewSession, NoServer, Refresh, RemovedFromGuild, Resumed, Seated,
        Server, TimePasses, Unseated,
    },
    *,
};
use crate::VoiceCredentials;

type Case = (&'static str, &'static [(In, &'static str)]);

fn check(held: &dyn Fn() -> Vec<VoiceCredentials>, cases: &[Case]) {
    for (name, script) in cases {
        Script::new(held()).run(name, script);
    }
}

#[test]
fn joins() {
    check(
        &Vec::new,
        &[
            (
                "state first",
                &[
                    (Join(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "credentials 5 s t"),
                ],
            ),
            (
                "server first",
                &[
                    (Join(5), "send 5"),
                    (Server("t"), ""),
                    (Seated(5, "s"), "credentials 5 s t"),
                ],
            ),
            (
                "server is found late",
                &[
                    (Join(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (NoServer, ""),
                    (Server("t"), "credentials 5 s t"),
                ],
            ),
            (
                "twice is once, and the answer is told again",
                &[
                    (Join(5), "send 5"),
                    (Join(5), ""),
                    (Seated(5, "s"), ""),
                    (Server("t"), "credentials 5 s t"),
                    (Join(5), "credentials 5 s t"),
                ],
            ),
            (
                "mind changed before the answer",
                &[
                    (Join(5), "send 5"),
                    (Join(6), ""),
                    (Seated(5, "s"), ""),
                    (Server("t"), "send 6"),
                    (Seated(6, "s"), ""),
                    (Server("u"), "credentials 6 s u"),
                ],
            ),
            (
                "mind changed before the sending",
                &[
                    (HoldBack(true), ""),
                    (Join(5), ""),
                    (Join(6), ""),
                    (HoldBack(false), "send 6"),
                ],
            ),
            (
                "unanswered once",
                &[
                    (Join(5), "send 5"),
                    (TimePasses, "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "credentials 5 s t"),
                ],
            ),
            (
                "unanswered for good",
                &[
                    (Join(5), "send 5"),
                    (TimePasses, "send 5"),
                    (TimePasses, "failed join_unanswered"),
                    (Seated(5, "s"), "send out"),
                    (Unseated, ""),
                ],
            ),
            (
                "no server: out and in again, then failed",
                &[
                    (Join(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (TimePasses, "send out"),
                    (Unseated, "send 5"),
                    (Seated(5, "s"), ""),
                    (TimePasses, "send out"),
                    (Unseated, "failed no_voice_server"),
                ],
            ),
            (
                "waiting for the limiter is no wait for Discord",
                &[
                    (HoldBack(true), ""),
                    (Join(5), ""),
                    (TimePasses, ""),
                    (TimePasses, ""),
                    (HoldBack(false), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "credentials 5 s t"),
                ],
            ),
            (
                "removed from the guild meanwhile",
                &[
                    (Join(5), "send 5"),
                    (RemovedFromGuild, "failed removed_from_guild"),
                ],
            ),
        ],
    );
}

#[test]
fn leaves() {
    check(
        &seated,
        &[
            (
                "asked",
                &[(Leave, "send out"), (Unseated, "left asked=true")],
            ),
            (
                "asked twice",
                &[
                    (Leave, "send out"),
                    (Leave, ""),
                    (Unseated, "left asked=true"),
                    (Leave, "left asked=true"),
                ],
            ),
            (
                "unanswered",
                &[
                    (Leave, "send out"),
                    (TimePasses, "send out"),
                    (TimePasses, "left asked=true"),
                ],
            ),
            ("kicked", &[(Unseated, "left asked=false"), (Unseated, "")]),
            (
                "kicked before the leave was sent",
                &[
                    (HoldBack(true), ""),
                    (Leave, ""),
                    (Unseated, "left asked=true"),
                    (HoldBack(false), ""),
                ],
            ),
            (
                "removed from the guild",
                &[(RemovedFromGuild, "left asked=false")],
            ),
            (
                "the next party waits for the late left, and lives",
                &[
                    (Leave, "send out"),
                    (Join(6), ""),
                    (Unseated, "send 6, left asked=true"),
                    (Seated(6, "s2"), ""),
                    (Server("t2"), "credentials 6 s2 t2"),
                ],
            ),
            (
                "a left that comes after it was given up does not end the next party",
                &[
                    (Leave, "send out"),
                    (TimePasses, "send out"),
                    (TimePasses, "left asked=true"),
                    (Join(6), "send 6"),
                    (Unseated, ""),
                    (Seated(6, "s2"), ""),
                    (Server("t2"), "credentials 6 s2 t2"),
                ],
            ),
            (
                "kicked while the next party waits behind a refresh",
                &[
                    (Refresh, "send 5"),
                    (Leave, ""),
                    (Join(6), ""),
                    (Unseated, "send 6, left asked=true"),
                    (Seated(6, "s2"), ""),
                    (Server("t2"), "credentials 6 s2 t2"),
                ],
            ),
        ],
    );
    check(
        &Vec::new,
        &[
            ("of nowhere", &[(Leave, "left asked=true")]),
            (
                "of a join that was not sent",
                &[
                    (HoldBack(true), ""),
                    (Join(5), ""),
                    (Leave, "left asked=true"),
                    (HoldBack(false), ""),
                ],
            ),
            (
                "of a join under way",
                &[
                    (Join(5), "send 5"),
                    (Leave, ""),
                    (Seated(5, "s"), ""),
                    (Server("t"), "send out"),
                    (Unseated, "left asked=true"),
                ],
            ),
            (
                "of a join that is never answered",
                &[
                    (Join(5), "send 5"),
                    (Leave, ""),
                    (TimePasses, "left asked=true"),
                ],
            ),
        ],
    );
}

#[test]
fn what_others_do() {
    check(
        &seated,
        &[
            (
                "moved, with a new server",
                &[
                    (Seated(6, "s"), "moved 6"),
                    (Server("u"), "credentials 6 s u"),
                ],
            ),
            (
                "moved within one server",
                &[
                    (Seated(6, "s"), "moved 6"),
                    (TimePasses, "credentials 6 s t"),
                ],
            ),
            (
                "moved twice",
                &[
                    (Seated(6, "s"), "moved 6"),
                    (Seated(9, "s"), "moved 9"),
                    (Server("u"), "credentials 9 s u"),
                ],
            ),
            (
                "moved, and told to go back",
                &[
                    (Seated(6, "s"), "moved 6"),
                    (Server("u"), "credentials 6 s u"),
                    (Join(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("v"), "credentials 5 s v"),
                ],
            ),
            ("muted", &[(Seated(5, "s"), "")]),
            (
                "new voice session",
                &[(Seated(5, "s2"), "credentials 5 s2 t")],
            ),
            ("new server", &[(Server("u"), "credentials 5 s u")]),
            ("the same server, replayed", &[(Server("t"), "")]),
            (
                "server gone, then another",
                &[(NoServer, ""), (Server("u"), "credentials 5 s u")],
            ),
            (
                "server gone for good: out and in again",
                &[
                    (NoServer, ""),
                    (TimePasses, "send out"),
                    (Unseated, "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("u"), "credentials 5 s u"),
                ],
            ),
        ],
    );
}

#[test]
fn refreshes() {
    check(
        &seated,
        &[
            (
                "answered",
                &[
                    (Refresh, "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("u"), "credentials 5 s u"),
                ],
            ),
            (
                "by the same server",
                &[(Refresh, "send 5"), (Server("t"), "credentials 5 s t")],
            ),
            (
                "unanswered: out and in again, unseen",
                &[
                    (Refresh, "send 5"),
                    (TimePasses, "send out"),
                    (Unseated, "send 5"),
                    (Seated(5, "s2"), ""),
                    (Server("u"), "credentials 5 s2 u"),
                ],
            ),
            (
                "kicked meanwhile",
                &[(Refresh, "send 5"), (Unseated, "left asked=false")],
            ),
        ],
    );
    check(&Vec::new, &[("of nowhere", &[(Refresh, "")])]);
}

#[test]
fn sessions() {
    check(
        &seated,
        &[
            (
                "a new session joins again",
                &[
                    (NewSession, "send 5"),
                    (Seated(5, "s2"), ""),
                    (Server("u"), "credentials 5 s2 u"),
                ],
            ),
            (
                "a resumed one has nothing to do",
                &[(Resumed, ""), (TimePasses, "")],
            ),
            (
                "what was not answered is sent again after a resume",
                &[
                    (Leave, "send out"),
                    (Resumed, "send out"),
                    (Unseated, "left asked=true"),
                ],
            ),
            (
                "a leave outlives its session",
                &[
                    (Leave, "send out"),
                    (NewSession, "send out"),
                    (TimePasses, "left asked=true"),
                ],
            ),
            (
                "a leave and the join behind it outlive their session",
                &[
                    (Leave, "send out"),
                    (Join(6), ""),
                    (NewSession, "send out"),
                    (TimePasses, "send 6, left asked=true"),
                ],
            ),
        ],
    );
    check(
        &Vec::new,
        &[(
            "a join is sent again after a resume",
            &[
                (Join(5), "send 5"),
                (Resumed, "send 5"),
                (Seated(5, "s"), ""),
                (Server("t"), "credentials 5 s t"),
            ],
        )],
    );
}

#[test]
fn before_discord_spoke_a_leave_is_sent_blind() {
    let mut script = Script::new(Vec::new());
    script.states.informed = false;
    script.run(
        "blind",
        &[
            (Leave, "send out"),
            (Resumed, "send out"),
            (TimePasses, "left asked=true"),
        ],
    );
}

#[test]
fn half_an_answer_holds_the_sequence_back() {
    let mut script = Script::new(Vec::new());
    let table = [
        (Join(5), false),
        (Seated(5, "s"), true),
        (Server("t"), false),
        (Seated(6, "s"), true),
        (TimePasses, false),
        (Leave, false),
    ];
    for (input, held) in table {
        script.step(input);
        assert_eq!(script.states.holds_untold(), held, "{input:?}");
    }
}

#[test]
fn nothing_is_kept_of_what_is_over() {
    let mut script = Script::new(seated());
    script.step(Leave);
    script.step(Unseated);
    assert!(script.states.is_empty());
    assert_eq!(script.states.next_deadline(), None);
}
