//! What the member of a voice channel heard.

use std::time::{Duration, Instant};

use discord_sim::{CodedSecond, DiscordSim, EarReport, Heard, Listening};

use crate::api::Answer;
use crate::waiting::until;

/// A confirmed second tells the position of moments at most so far away. Its number takes 600 ms to say: when sound ends
/// in the middle of one, the click of the second before is up to 1.6 s back.
const REACH: Duration = Duration::from_millis(1700);

/// Counts of a position from two seconds agree when they are at most this far apart, in seconds.
const AGREED: f64 = 0.06;

/// Seconds so near to an asked one belong to its place.
const NEAR: f64 = 4.0;

/// Packets come so often.
const PACKET: Duration = Duration::from_millis(20);

/// Longer without a packet is a hole in the sound.
const HOLE: Duration = Duration::from_millis(60);

/// The listening member of one guild.
#[derive(Clone, Copy)]
pub struct Ears<'a> {
    sim: &'a DiscordSim,
    guild: u64,
}

impl<'a> Ears<'a> {
    /// Of this guild.
    pub fn of(sim: &'a DiscordSim, guild: u64) -> Self {
        Self { sim, guild }
    }

    /// The packets from `since` on.
    pub fn heard(&self, since: Instant) -> Heard {
        self.sim.heard_since(self.guild, since)
    }

    /// The sound from `since` on. Needs a runtime with more than one thread: decoding blocks this one.
    pub fn report(&self, since: Instant) -> EarReport {
        let heard = self.heard(since);
        let listening = Listening {
            gap: HOLE,
            ..Listening::default()
        };
        tokio::task::block_in_place(|| listening.report(&heard).expect("libopus works"))
    }

    /// Waits for `count` confirmed seconds that were heard after `since`, and gives the report that has them.
    pub async fn seconds(&self, since: Instant, count: usize, within: Duration) -> EarReport {
        let what = format!("{count} seconds of film at the member");
        until(&what, within, async || {
            let report = self.report(since);
            (confirmed(&report).count() >= count).then_some(report)
        })
        .await
    }

    /// Waits for the first packet of sound after `since`, silence frames aside.
    pub async fn sound(&self, since: Instant, within: Duration) -> Instant {
        until("sound at the member", within, async || {
            self.sound_packets(since).first().copied()
        })
        .await
    }

    /// Waits until no connection to the voice server is left. The status says that the bot is away as soon as it is not
    /// meant to be there any more; the worker's end of the connection takes a moment longer.
    pub async fn left_alone(&self, within: Duration) {
        until("the bot's connections to be closed", within, async || {
            let heard = self.sim.heard(self.guild);
            let mut connections = heard.connections.iter();
            connections
                .all(|connection| connection.closed_at.is_some())
                .then_some(())
        })
        .await;
    }

    /// The last packet of sound that came in from `since` on, silence frames aside.
    pub fn last_sound(&self, since: Instant) -> Option<Instant> {
        self.sound_packets(since).last().copied()
    }

    /// The media second that was heard at `at`: of the confirmed second before it, else of the one after it, if the
    /// sound between was whole.
    pub async fn position_at(&self, at: Instant) -> f64 {
        // A second is sure when the one before it was heard too.
        let from = at.checked_sub(2 * REACH).unwrap_or(at);
        until("the position at the member", 3 * REACH, async || {
            // The packets first: what comes between the two is in the report alone.
            let (taken_at, sound) = (Instant::now(), self.sound_packets(from));
            position_in(&self.report(from), &sound, at, taken_at)
        })
        .await
    }

    /// The media second at which sound ended: `last` is its last packet, and there was no seek in the 1.7 s before.
    ///
    /// # Panics
    ///
    /// When no sure second was heard in that time.
    pub fn end_of_sound(&self, last: Instant) -> f64 {
        let from = last.checked_sub(2 * REACH).unwrap_or(last);
        let (mut report, sound) = (self.report(from), self.sound_packets(from));
        report.seconds.retain(|one| one.moment.at <= last);
        position_in(&report, &sound, last, last + 2 * REACH)
            .expect("a second of film was heard before the sound ended")
    }

    /// How far a status is from what the member heard, in seconds: 0 when it lies between what was heard as the request was
    /// made and as its answer came.
    pub async fn apart_from(&self, status: &Answer) -> f64 {
        let said = status.position();
        let from = self.position_at(status.asked).await;
        let to = self.position_at(status.answered).await;
        let apart = if said < from {
            said - from
        } else {
            (said - to).max(0.0)
        };
        println!("status {said:.3} s, member {from:.3} to {to:.3} s: {apart:+.3} s");
        apart
    }

    /// Where and when the sound began that came near the media second `near` after a call at `since`: the media second
    /// of its first packet, counted back in packets from its first sure second.
    ///
    /// Before that, sound of another place may still have come; a hole parts the two. A busy machine makes holes of its
    /// own, so of several beginnings the one nearest to `near` is meant.
    pub async fn start_of_sound(
        &self,
        since: Instant,
        near: f64,
        within: Duration,
    ) -> (Instant, f64) {
        let what = format!("two seconds of sound near {near:.3} s");
        let second = until(&what, within, async || {
            let report = self.report(since);
            let mut fitting =
                confirmed(&report).filter(|one| (f64::from(one.second) - near).abs() < NEAR);
            let first = fitting.next().copied();
            fitting.next().and(first)
        })
        .await;
        let mut sound = self.sound_packets(since);
        sound.retain(|at| *at <= second.moment.at);
        let clicked = sound.len() - 1;
        let within_packet = (second.moment.at - sound[clicked]).as_secs_f64();
        let beginnings = sound
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[1] - pair[0] > HOLE)
            .map(|(before, _)| before + 1)
            .chain([0]);
        beginnings
            .map(|packet| {
                let played = (clicked - packet) as f64 * PACKET.as_secs_f64() + within_packet;
                (sound[packet], f64::from(second.second) - played)
            })
            .min_by(|(_, a), (_, b)| (a - near).abs().total_cmp(&(b - near).abs()))
            .expect("there is at least the first packet")
    }

    /// The longest time without film sound from `since` to now: from the last packet before it to the first after it.
    pub fn longest_hole(&self, since: Instant) -> (Instant, Instant) {
        self.sound_packets(since)
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .max_by_key(|(from, to)| *to - *from)
            .expect("two packets were heard")
    }

    /// The sure seconds that were heard from `since` on, in their order.
    pub fn numbers(&self, since: Instant) -> Vec<u32> {
        let report = self.report(since);
        confirmed(&report).map(|one| one.second).collect()
    }

    /// Waits until this second was heard, and gives all from `since` to it.
    pub async fn numbers_until(&self, second: u32, since: Instant, within: Duration) -> Vec<u32> {
        let what = format!("second {second} of the film at the member");
        until(&what, within, async || {
            let numbers = self.numbers(since);
            numbers.contains(&second).then_some(numbers)
        })
        .await
    }

    /// When the packets of sound came in, silence frames aside.
    fn sound_packets(&self, since: Instant) -> Vec<Instant> {
        let heard = self.heard(since);
        let packets = heard.packets().into_iter();
        packets
            .filter(|one| !one.silence)
            .map(|one| one.at)
            .collect()
    }
}

/// Seconds whose number is sure.
pub(crate) fn confirmed(report: &EarReport) -> impl Iterator<Item = &CodedSecond> {
    report.seconds.iter().filter(|one| one.confirmed)
}

/// How much of a film came in between two moments, in seconds: counted in packets, for a busy machine sends some late and
/// then makes up for it.
fn film_time(sound: &[Instant], from: Instant, to: Instant) -> f64 {
    let come_by = |at: Instant| {
        let packets = sound.partition_point(|one| *one <= at);
        let since_last = packets.checked_sub(1).map(|last| at - sound[last]);
        let of_last = since_last.unwrap_or_default().min(PACKET);
        packets as f64 * PACKET.as_secs_f64() + of_last.as_secs_f64()
    };
    come_by(to) - come_by(from)
}

/// The media second at `at`, counted from each sure second near it. One count may be off, where late packets came in a
/// bunch; two that agree are believed. `None`: cannot be said, or not yet.
fn position_in(
    report: &EarReport,
    sound: &[Instant],
    at: Instant,
    taken_at: Instant,
) -> Option<f64> {
    let counts: Vec<f64> = confirmed(report)
        .filter_map(|one| {
            let click = one.moment.at;
            let before = at.saturating_duration_since(click);
            let after = click.saturating_duration_since(at);
            (before.max(after) < REACH).then(|| {
                let film = film_time(sound, click.min(at), click.max(at));
                let away = if click <= at { film } else { -film };
                f64::from(one.second) + away
            })
        })
        .collect();
    let agree = |count: f64| {
        let others = counts
            .iter()
            .filter(|other| (*other - count).abs() < AGREED);
        others.count()
    };
    let best = counts.iter().copied().max_by_key(|count| agree(*count))?;
    // When nothing came after it, it was paused or ended, and one has to do.
    let settled = taken_at > at + REACH;
    (agree(best) >= 2 || settled).then_some(best)
}
