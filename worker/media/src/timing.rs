//! Every time-out of this crate, why it has its value, and how they hang together.

use std::time::Duration;

/// How far ffmpeg may be ahead of what is heard. Longer than the longest fault that must pass
/// unheard (a source that stalls for 10 s), short enough that a seek throws little away.
pub const RUN_AHEAD: Duration = Duration::from_secs(16);

/// A TCP and TLS handshake on a home line takes a few hundred ms; beyond this nobody is there.
pub(crate) const CONNECT: Duration = Duration::from_secs(2);

/// No byte for this long, while ffmpeg wants one, is a stalled connection: a new one is tried.
pub(crate) const BYTE_STALL: Duration = Duration::from_secs(4);

/// What network faults may cost when a source is opened for the first time. Both sources together
/// have this long, so that "nothing plays" is said within 5 s, two starts of ffprobe included.
pub(crate) const OPEN_BUDGET: Duration = Duration::from_millis(3500);

/// What an outage may cost in the middle of a film before the source is given up: a restart of
/// Jellyfin or of a router.
pub(crate) const OUTAGE_BUDGET: Duration = Duration::from_mins(1);

/// The same while there is another source that was not tried yet: it has to be opened before the
/// queue runs dry, and a stall of 10 s is no reason yet.
pub(crate) const OUTAGE_BUDGET_WITH_FALLBACK: Duration = Duration::from_secs(12);

/// First and longest wait between two attempts at the source.
pub(crate) const RETRY_DELAYS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(2));

/// ffprobe of a healthy source takes 0.1 s; a damaged one makes it read its 5 MB.
pub(crate) const PROBE: Duration = Duration::from_secs(10);

/// How long a probe is kept: seeks and restarts of an evening, and not a file that was replaced.
pub(crate) const PROBE_KEPT: Duration = Duration::from_mins(10);

/// `ffmpeg -filters` when the worker starts.
pub(crate) const TOOL_CHECK: Duration = Duration::from_secs(20);

/// No packet from ffmpeg for this long, with room in the queue and a source that delivers: it
/// hangs. A transcode that starts inside a 10 s GOP on a loaded machine is silent for a few
/// seconds.
pub(crate) const FFMPEG_STALL: Duration = Duration::from_secs(12);

/// How often the watchdog looks.
pub(crate) const WATCHDOG_TICK: Duration = Duration::from_millis(500);

/// ffmpeg closes its pipe and then exits; one that does not is killed.
pub(crate) const EXIT: Duration = Duration::from_secs(2);

/// First and longest wait before ffmpeg is started again. The first is almost nothing: what is
/// queued hides it.
pub(crate) const RESTART_DELAYS: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(2));

/// Restarts within [`RESTART_WINDOW`] before the source is given up.
pub(crate) const RESTARTS: usize = 5;

/// See [`RESTARTS`]: a film that is damaged every few minutes still plays to its end.
pub(crate) const RESTART_WINDOW: Duration = Duration::from_mins(1);

/// A film that ends this much before its stated duration has ended: containers round, and sound
/// is often a little shorter than the picture.
pub(crate) const END_TOLERANCE: Duration = Duration::from_secs(2);

/// Sound that ends this much before the picture is a film with silent credits, not a file that was
/// cut off.
pub(crate) const SHORT_SOUND: Duration = Duration::from_secs(30);

/// Below this much sound in the queue, a transcode gets a head start by an audio-only ffmpeg.
pub(crate) const HEAD_START_BELOW: Duration = Duration::from_secs(3);

/// Media time within which a copied picture must have given its first segment; otherwise its key
/// frames are too far apart, or it cannot be written as it is. Encoders put at most 10 s between them unless told to.
pub(crate) const FIRST_SEGMENT: Duration = Duration::from_secs(15);

/// Watch segments behind the newest one that stay on disk, in playlist entries of about 2 s: the
/// run-ahead and 90 s behind it.
pub(crate) const WATCH_SEGMENTS: u32 = 56;

/// How long the files of a run outlive it: viewers are at most a playlist behind.
pub(crate) const SPOOL_GRACE: Duration = Duration::from_secs(30);

/// Files of a run that was replaced by a restart: what it wrote ahead is still being watched.
pub(crate) const OLD_RUN_KEPT: Duration = Duration::from_secs(90);

/// What `Media::shutdown` waits for ffmpegs to be reaped.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(5);

// The relations that the rest relies on. A change that breaks one does not compile.
const _: () = {
    // A stalled connection is noticed and replaced before the listener hears it.
    assert!(BYTE_STALL.as_millis() + CONNECT.as_millis() < RUN_AHEAD.as_millis());
    // "Both sources failed" is due within 5 s.
    assert!(OPEN_BUDGET.as_millis() + 1000 < 5000);
    // The fallback plays before the listener hears that the first source is gone.
    assert!(
        OUTAGE_BUDGET_WITH_FALLBACK.as_millis() + OPEN_BUDGET.as_millis() < RUN_AHEAD.as_millis()
    );
    // The watchdog must not shoot ffmpeg for a stall that the proxy is about to repair.
    assert!(BYTE_STALL.as_millis() + CONNECT.as_millis() < FFMPEG_STALL.as_millis());
    // A hanging ffmpeg is replaced before the queue runs dry.
    assert!(FFMPEG_STALL.as_millis() < RUN_AHEAD.as_millis());
    // Restarts with their waits fit into their window, else they would never be counted together.
    assert!(RESTART_DELAYS.1.as_millis() * (RESTARTS as u128) < RESTART_WINDOW.as_millis());
    // Sparse key frames are noticed before the listener gets to where the picture is missing.
    assert!(FIRST_SEGMENT.as_millis() < RUN_AHEAD.as_millis());
    // The restart window's runs are on disk as long as something of them is ahead of the listener.
    assert!(OLD_RUN_KEPT.as_millis() > RUN_AHEAD.as_millis());
};
