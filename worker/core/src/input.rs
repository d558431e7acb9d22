//! What a session hears, and what it wants done.

use crate::{Desired, Failure, Fence, Item, Role, VoiceCredentials};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The scheduler's newest word. Before it is handed in, [`Action::Join`] is taken back, and what it may have come to
    /// is handed in: a word and the join never cross.
    Lease {
        /// Only newer ones are taken.
        fence: Fence,
        /// What shall be.
        desired: Box<Desired>,
        /// What to do with it.
        role: Role,
    },
    /// Of the pipeline that was opened as `run`.
    Pipeline {
        /// Which.
        run: u64,
        /// What.
        news: PipelineNews,
    },
    /// Of the voice output.
    Voice(VoiceNews),
    /// [`crate::Session::to_prepare`] may be opened: the current item is about to end, and there is room.
    MayPrepare,
    /// There is no room for what was prepared as `run`, now that its cost is known.
    TooDear {
        /// Which.
        run: u64,
    },
}

/// What a pipeline reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipelineNews {
    /// The source was opened and understood.
    Planned {
        /// One sentence for people.
        plan: String,
        /// Where it is known.
        duration_ms: Option<u64>,
        /// In thousandths of a core.
        cost_millicores: u32,
        /// What was found out, for whoever opens the item next.
        known: String,
    },
    /// It costs something else from now on: the picture is encoded in another way.
    Costs {
        /// In thousandths of a core.
        millicores: u32,
    },
    /// The first frame waits in the queue.
    Ready,
    /// ffmpeg was started again.
    Restarted,
    /// The first source was given up for the second.
    SwitchedSource,
    /// The last frame is in the queue.
    Read,
    /// No source plays on; what is queued may be played out.
    Failed(Failure),
}

/// What the voice output reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoiceNews {
    /// In the channel.
    Connected {
        /// Of the credentials.
        revision: u64,
    },
    /// Cut; the driver is mending it.
    Reconnecting {
        /// Of the credentials.
        revision: u64,
    },
    /// Lost for good with these credentials.
    Lost {
        /// Of the credentials.
        revision: u64,
        /// Discord's.
        close_code: Option<u16>,
        /// It was the stream's connection; that of the voice channel may stand.
        stream: bool,
    },
    /// Where it is. Handed in ahead of every word, since the word may ask for another pipeline at that place.
    Position {
        /// Of the pipeline that is fed.
        run: u64,
        /// Media time of the first frame that was not sent; none before the first one was.
        media_ms: Option<u64>,
    },
    /// The first frame of the present source was sent.
    Started,
    /// No frames for so long that people notice.
    Starved,
    /// Frames flow again.
    Refilled,
    /// The last frame of the present source was sent.
    Drained,
    /// After [`Action::Join`]: the last frame was sent, and the next source is the present one.
    Joined {
        /// The pipeline that is fed now.
        run: u64,
        /// Its first frame was sent, too.
        started: bool,
    },
    /// After [`Action::EndAt`]: no frame from there on will be sent, and no connection opened.
    Stopped {
        /// Media time of the first frame that was not sent; none when nothing was.
        position_ms: Option<u64>,
        /// The connection had to be dropped for it: it was being opened.
        disconnected: bool,
    },
}

/// Something to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the item's sources at a media time, as `run`, and feed the voice output from it.
    Open {
        /// Rises with every pipeline of the session.
        run: u64,
        /// What.
        item: Item,
        /// Media time.
        start_ms: u64,
        /// Feed it held.
        paused: bool,
        /// Do not feed it: [`Action::Feed`] follows.
        warm: bool,
        /// With the picture for the voice channel.
        picture: bool,
    },
    /// Feed the voice output from the current pipeline, which was opened warm or prepared, without the frames before a media time.
    Feed {
        /// Media time of the first frame.
        from_ms: u64,
        /// Feed it held.
        paused: bool,
    },
    /// Open the next item's sources at its start, as `run`, beside the pipeline that is fed.
    Prepare {
        /// As in [`Action::Open`].
        run: u64,
        /// What.
        item: Item,
        /// As in [`Action::Open`].
        picture: bool,
    },
    /// Let the voice output go over to the prepared pipeline by itself, in the tick after the last frame of the present
    /// one.
    Join {
        /// Of the prepared pipeline.
        run: u64,
    },
    /// Close the prepared pipeline; takes [`Action::Join`] back.
    DropNext,
    /// The prepared pipeline is the current one from now on. The one before it is closed, after the actions that came
    /// with this one.
    Advance,
    /// Send no frame from a media time on, and take no step towards a connection; says [`VoiceNews::Stopped`] once that
    /// is so.
    EndAt {
        /// Of the first frame that is not sent; none: now, wherever it is.
        position_ms: Option<u64>,
    },
    /// Takes [`Action::EndAt`] back, whether it has come to that or not.
    GoOn {
        /// Feed it held.
        paused: bool,
    },
    /// Steps towards a connection may be taken again.
    MayDial,
    /// Give the lease back.
    Decline,
    /// Close the pipeline, if one is open; the voice output forgets it.
    Close,
    /// Hold the voice output.
    Pause,
    /// Let it go on.
    Resume,
    /// Connect with these credentials; replaces any connection but one whose part of them is what it was.
    Connect(VoiceCredentials),
    /// Leave the wire at once.
    Disconnect,
    /// Tell the scheduler now.
    Report,
}
