//! Streams that begin, end, and are made anew.

use super::super::script::{
    In::{
        Created, Ended, EndedAsAsked, GoLive, HoldBack, Join, Leave, Passes, RefreshLive, Refused,
        RemovedFromGuild, Seated, Server, StreamServer, TimePasses, Unseated,
    },
    *,
};
use super::check;
use crate::LiveRefusal;

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
