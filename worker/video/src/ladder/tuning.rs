//! The controller's times and thresholds, and why they are so.

use std::time::Duration;

/// How long bad news must last. Two reports of transport-wide feedback and more: one burst of a wireless link is over
/// by then; and well below the 2 s in which a drop of the line must be answered.
pub const DOWN_AFTER: Duration = Duration::from_millis(300);

/// From any switch to the next one down: the new encoder's start (300 ms), and the time until its effect is reported.
pub const DOWN_DWELL: Duration = Duration::from_secs(1);

/// From any switch to the next one up; doubled by each climb that was taken back.
pub const UP_DWELL: Duration = Duration::from_secs(5);

/// The most by which [`UP_DWELL`] is doubled: 80 s, so that a line that recovers for good is used again.
pub const MAX_BACK_OFF: u32 = 4;

/// A climb is taken back if bad news follow within this time: longer than an estimate takes to fall.
pub const TAKEN_BACK_WITHIN: Duration = Duration::from_secs(10);

/// A rung that was climbed and held this long forgives one climb that was taken back; doubled as [`UP_DWELL`] is.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(30);

/// How long a higher rung's rate must have been there.
pub const ROOM_FOR: Duration = Duration::from_secs(3);

/// Without any estimate (peers that report loss alone) a rung is tried after so long without loss or delay; doubled as
/// [`UP_DWELL`] is.
pub const TRIAL_AFTER: Duration = Duration::from_secs(10);

/// A queue longer than this is the sender's own doing: it is above what jitter makes, and a receiver's buffer still
/// covers it.
pub const LONG_QUEUE: Duration = Duration::from_millis(150);

/// A queue this long is acted on at once.
pub const DEEP_QUEUE: Duration = Duration::from_millis(400);

/// Below it a line counts as free for a climb.
pub const SHORT_QUEUE: Duration = Duration::from_millis(60);

/// GCC lowers its rate above 10 % of loss and raises it below 2 %; between them, losses are the link's and repaired by
/// retransmission.
pub const HEAVY_LOSS: f32 = 0.10;

/// See [`HEAVY_LOSS`].
pub const LIGHT_LOSS: f32 = 0.02;

/// A rung is climbed when the estimate is this share of its rate.
pub const CLIMB_AT: f64 = 1.15;

/// A rung is left when the estimate is below this share of its rate.
pub const LEAVE_BELOW: f64 = 0.9;

/// The rung gone down to takes this share of the estimate: the rest empties the queue.
pub const DOWN_TO: f64 = 0.9;

/// The same where the estimate is missing, or has not seen yet what the queue shows: of the present rate.
pub const BLIND_DOWN_TO: f64 = 0.6;

/// An estimate this many times above what is sent is held down by how little is sent, not by the line: GCC lets it
/// grow to 1.5 times of what arrives.
pub const SENDER_LIMITED: f64 = 1.35;

/// No picture is held back longer than this for a queue to empty.
pub const MAX_DRAIN: Duration = Duration::from_secs(1);
