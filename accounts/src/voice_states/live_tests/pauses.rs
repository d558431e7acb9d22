//! Pauses, and what is kept of a stream.

use super::super::script::{
    In::{
        Created, Ended, Leave, NoStreamServer, Passes, Pause, Refused, StreamServer, TimePasses,
        Unseated, Updated,
    },
    *,
};
use super::check;
use crate::LiveRefusal;

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
