//! Go Live by tables: each line an input, and what comes of it at once.

use super::script::{
    In::{
        Created, Ended, EndedAsAsked, GoLive, HoldBack, Join, Leave, NewSession, NoStreamServer,
        Outage, Passes, Pause, Refresh, RefreshLive, Refused, RemovedFromGuild, Resumed, Seated,
        Server, StreamServer, TimePasses, Unseated, Updated,
    },
    *,
};
use crate::{LiveRefusal, VoiceCredentials};

type Case = (&'static str, &'static [(In, &'static str)]);

fn check(held: &dyn Fn() -> Vec<VoiceCredentials>, cases: &[Case]) {
    for (name, script) in cases {
        Script::new(held()).run(name, script);
    }
}

#[test]
fn begins() {
    check(
        &Vec::new,
        &[
            (
                "after the seat, told once whole",
                &[
                    (GoLive(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "create 5"),
                    (Created(5, 90), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 90 w"),
                    (GoLive(5), "credentials 5 s t live 90 w"),
                ],
            ),
            (
                "server first",
                &[
                    (GoLive(5), "send 5"),
                    (Server("t"), ""),
                    (Seated(5, "s"), "create 5"),
                    (StreamServer(5, "w"), ""),
                    (Created(5, 90), "credentials 5 s t live 90 w"),
                ],
            ),
            (
                "unanswered: ended and made once more, then sound alone",
                &[
                    (GoLive(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "create 5"),
                    (TimePasses, "end 5"),
                    (TimePasses, "create 5"),
                    (Created(5, 90), ""),
                    (
                        TimePasses,
                        "end 5, refused live_unanswered, credentials 5 s t",
                    ),
                    (Ended(5), ""),
                    (TimePasses, ""),
                ],
            ),
            (
                "the server is lost on its way, and comes with the second try",
                &[
                    (GoLive(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "create 5"),
                    (Created(5, 90), ""),
                    (TimePasses, "end 5"),
                    (Ended(5), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 94 w"),
                ],
            ),
            (
                "refused: sound alone, and not tried again",
                &[
                    (GoLive(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("t"), "create 5"),
                    (
                        Refused(5, LiveRefusal::Unauthorized),
                        "refused live_unauthorized, credentials 5 s t",
                    ),
                    (TimePasses, ""),
                    (GoLive(5), "create 5"),
                    (Created(5, 90), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 90 w"),
                ],
            ),
            (
                "waits for the limiter, and does not give up meanwhile",
                &[
                    (GoLive(5), "send 5"),
                    (HoldBack(true), ""),
                    (Seated(5, "s"), ""),
                    (Server("t"), ""),
                    (TimePasses, ""),
                    (TimePasses, ""),
                    (HoldBack(false), "create 5"),
                ],
            ),
            (
                "a join that never succeeds begins no stream",
                &[
                    (GoLive(5), "send 5"),
                    (TimePasses, "send 5"),
                    (TimePasses, "failed join_unanswered"),
                    (Created(5, 90), ""),
                ],
            ),
        ],
    );
    check(
        &seated,
        &[
            (
                "beside a seat: sound goes on until it is there",
                &[
                    (GoLive(5), "create 5"),
                    (Created(5, 90), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 90 w"),
                ],
            ),
            (
                "mind changed before the sending",
                &[
                    (HoldBack(true), ""),
                    (GoLive(5), ""),
                    (Join(5), "credentials 5 s t"),
                    (HoldBack(false), ""),
                ],
            ),
            (
                "mind changed before the answer",
                &[
                    (GoLive(5), "create 5"),
                    (Join(5), "end 5, credentials 5 s t"),
                    (Created(5, 90), ""),
                    (StreamServer(5, "w"), ""),
                    (Ended(5), ""),
                ],
            ),
        ],
    );
}

#[test]
fn ends() {
    check(
        &streaming,
        &[
            (
                "leave: stream first, then the seat",
                &[(Leave, "end 5, send out"), (Unseated, "left asked=true")],
            ),
            (
                "leave, with all answers",
                &[
                    (Leave, "end 5, send out"),
                    (Ended(5), ""),
                    (Unseated, "left asked=true"),
                    (Join(5), "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("u"), "credentials 5 s u"),
                ],
            ),
            (
                "sound alone from now on",
                &[
                    (Join(5), "end 5, credentials 5 s t"),
                    (Ended(5), ""),
                    (TimePasses, ""),
                ],
            ),
            (
                "the end is not answered",
                &[
                    (Join(5), "end 5, credentials 5 s t"),
                    (TimePasses, ""),
                    (Ended(5), ""),
                ],
            ),
            ("kicked", &[(Unseated, "left asked=false"), (Ended(5), "")]),
            (
                "the stream's end comes before the kick",
                &[
                    (HoldBack(true), ""),
                    (Ended(5), ""),
                    (Unseated, "left asked=false"),
                ],
            ),
            (
                "removed from the guild",
                &[(RemovedFromGuild, "left asked=false")],
            ),
            (
                "told to go elsewhere",
                &[
                    (GoLive(6), "end 5, send 6"),
                    (Ended(5), ""),
                    (Seated(6, "s"), ""),
                    (Server("u"), "create 6"),
                    (Created(6, 94), ""),
                    (StreamServer(6, "w"), "credentials 6 s u live 94 w"),
                ],
            ),
        ],
    );
}

#[test]
fn made_anew() {
    check(
        &streaming,
        &[
            (
                "ended: at once, then with pauses in which sound goes on, and then no more",
                &[
                    (Ended(5), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                    (Ended(5), "create 5"),
                    (Created(5, 98), ""),
                    (StreamServer(5, "y"), "credentials 5 s t live 98 y"),
                    (Ended(5), "credentials 5 s t"),
                    (Passes(4), ""),
                    (Passes(1), "create 5"),
                    (Created(5, 102), ""),
                    (StreamServer(5, "z"), "credentials 5 s t live 102 z"),
                    (Ended(5), "credentials 5 s t"),
                    (Passes(20), "create 5"),
                    (Created(5, 106), ""),
                    (StreamServer(5, "a"), "credentials 5 s t live 106 a"),
                    (Ended(5), "refused live_keeps_ending, credentials 5 s t"),
                    (Passes(600), ""),
                ],
            ),
            (
                "ended once an hour: always at once",
                &[
                    (Ended(5), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                    (Passes(3600), ""),
                    (Ended(5), "create 5"),
                    (Created(5, 98), ""),
                    (StreamServer(5, "y"), "credentials 5 s t live 98 y"),
                    (Passes(3600), ""),
                    (Ended(5), "create 5"),
                ],
            ),
            (
                "a refusal of the running stream",
                &[(
                    Refused(5, LiveRefusal::GuildRateLimited),
                    "refused live_guild_rate_limited, credentials 5 s t",
                )],
            ),
            ("the end of a stream elsewhere", &[(Ended(6), "")]),
            (
                "ended by somebody with the same account: sound alone, and not made anew",
                &[
                    (
                        EndedAsAsked(5),
                        "refused live_ended_by_hand, credentials 5 s t",
                    ),
                    (Passes(600), ""),
                    (GoLive(5), "create 5"),
                ],
            ),
            (
                "the answer to our own op 19 is nobody's hand",
                &[
                    (RefreshLive, "end 5"),
                    (EndedAsAsked(5), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 94 w"),
                ],
            ),
            (
                "nor is it when it comes late",
                &[
                    (RefreshLive, "end 5"),
                    (TimePasses, "create 5"),
                    (EndedAsAsked(5), ""),
                    (Created(5, 94), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 94 w"),
                ],
            ),
            (
                "moved by somebody",
                &[
                    (Seated(6, "s"), "moved 6"),
                    (Server("u"), "create 6"),
                    (Ended(5), ""),
                    (Created(6, 94), ""),
                    (StreamServer(6, "w"), "credentials 6 s u live 94 w"),
                ],
            ),
            (
                "a late end of the stream before does not end the next",
                &[
                    (RefreshLive, "end 5"),
                    (TimePasses, "create 5"),
                    (Ended(5), ""),
                    (Created(5, 94), ""),
                    (StreamServer(5, "w"), "credentials 5 s t live 94 w"),
                ],
            ),
        ],
    );
}

#[test]
fn servers() {
    check(
        &streaming,
        &[
            (
                "another one",
                &[(StreamServer(5, "x"), "credentials 5 s t live 90 x")],
            ),
            ("the same, named again", &[(StreamServer(5, "w"), "")]),
            ("the stream, named again", &[(Created(5, 90), "")]),
            (
                "gone, then another",
                &[
                    (NoStreamServer(5), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 90 x"),
                ],
            ),
            (
                "an outage that passes",
                &[
                    (Outage(5), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 90 x"),
                ],
            ),
            (
                "gone for good: ended and made anew",
                &[
                    (NoStreamServer(5), ""),
                    (TimePasses, "end 5"),
                    (Ended(5), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                ],
            ),
            (
                "the voice server moved: the stream's part is kept",
                &[(Server("u"), "credentials 5 s u live 90 w")],
            ),
        ],
    );
}

#[test]
fn refreshes() {
    check(
        &streaming,
        &[
            (
                "of the stream alone",
                &[
                    (RefreshLive, "end 5"),
                    (RefreshLive, ""),
                    (Ended(5), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                ],
            ),
            (
                "of the seat alone: the stream goes on",
                &[
                    (Refresh, "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("u"), "credentials 5 s u live 90 w"),
                ],
            ),
            (
                "of the seat, and the stream ends with it",
                &[
                    (Refresh, "send 5"),
                    (Seated(5, "s"), ""),
                    (Ended(5), ""),
                    (Server("u"), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s u live 94 x"),
                ],
            ),
            (
                "of the seat, out and in again",
                &[
                    (Refresh, "send 5"),
                    (TimePasses, "end 5, send out"),
                    (Unseated, "send 5"),
                    (Seated(5, "s"), ""),
                    (Server("u"), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s u live 94 x"),
                ],
            ),
        ],
    );
    check(&seated, &[("of no stream", &[(RefreshLive, "")])]);
}

#[test]
fn sessions() {
    check(
        &streaming,
        &[
            (
                "a resumed one goes on without a word",
                &[
                    (Resumed, ""),
                    (TimePasses, ""),
                    (GoLive(5), "credentials 5 s t live 90 w"),
                ],
            ),
            (
                "a new one joins and streams again",
                &[
                    (NewSession, "send 5"),
                    (Seated(5, "s2"), ""),
                    (Server("u"), "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s2 u live 94 x"),
                ],
            ),
            (
                "what was not answered is sent again after a resume",
                &[
                    (Ended(5), "create 5"),
                    (Resumed, "create 5"),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                ],
            ),
            (
                "what a predecessor did is replayed and taken on",
                &[
                    (HoldBack(true), ""),
                    (Ended(5), ""),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                    (Resumed, ""),
                    (HoldBack(false), ""),
                ],
            ),
        ],
    );
}

#[test]
fn pauses() {
    check(
        &streaming,
        &[
            (
                "on and off, each said once",
                &[
                    (Pause(true), "pause true"),
                    (Pause(true), ""),
                    (StreamServer(5, "w"), ""),
                    (Updated(5, true), ""),
                    (TimePasses, ""),
                    (Pause(false), "pause false"),
                    (Updated(5, false), ""),
                    (TimePasses, ""),
                ],
            ),
            (
                "not answered: once more, and no more until it changes",
                &[
                    (Pause(true), "pause true"),
                    (TimePasses, "pause true"),
                    (TimePasses, ""),
                    (Passes(600), ""),
                    (Pause(false), "pause false"),
                    // The late answer to what was said before.
                    (Updated(5, true), ""),
                    (TimePasses, "pause false"),
                    (Updated(5, false), ""),
                    (TimePasses, ""),
                ],
            ),
            (
                "changed before the answer: the newest alone is repeated",
                &[
                    (Pause(true), "pause true"),
                    (Passes(1), ""),
                    (Pause(false), "pause false"),
                    (Passes(4), ""),
                    (Passes(1), "pause false"),
                ],
            ),
            (
                "shown as paused by somebody else: left alone",
                &[(Updated(5, true), ""), (TimePasses, "")],
            ),
            (
                "a stream made anew is paused again",
                &[
                    (Pause(true), "pause true"),
                    (Ended(5), "create 5"),
                    (Created(5, 94), ""),
                    (
                        StreamServer(5, "x"),
                        "pause true, credentials 5 s t live 94 x",
                    ),
                ],
            ),
            (
                "said while the stream is being made",
                &[
                    (Ended(5), "create 5"),
                    (Pause(true), ""),
                    (Pause(false), ""),
                    (Created(5, 94), ""),
                    (StreamServer(5, "x"), "credentials 5 s t live 94 x"),
                ],
            ),
        ],
    );
    check(&seated, &[("without a stream", &[(Pause(true), "")])]);
}

#[test]
fn a_stream_under_way_holds_the_sequence_back() {
    let mut script = Script::new(streaming());
    let table = [
        (Ended(5), true),
        (Created(5, 94), true),
        (StreamServer(5, "x"), false),
        (NoStreamServer(5), true),
        (StreamServer(5, "y"), false),
        // What waits to be made anew was told as sound alone.
        (Ended(5), true),
        (Refused(5, LiveRefusal::StreamFull), false),
    ];
    for (input, held) in table {
        script.step(input);
        assert_eq!(script.states.holds_untold(), held, "{input:?}");
    }
}

#[test]
fn nothing_is_kept_of_what_is_over() {
    let mut script = Script::new(streaming());
    script.step(Leave);
    script.step(Unseated);
    assert!(script.states.is_empty());
    assert_eq!(script.states.next_deadline(), None);
}
