//! Their servers, and the account's own connection to Discord.

use super::super::script::{
    In::{
        Created, Ended, GoLive, HoldBack, NewSession, NoStreamServer, Outage, Refresh, RefreshLive,
        Resumed, Seated, Server, StreamServer, TimePasses, Unseated,
    },
    *,
};
use super::check;

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
