//! Listens to what was recorded: which second of the film was heard when, where it was silent,
//! where nothing came.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::SimClock;
use crate::heard::{Heard, HeardConnection};
use crate::kept::HeardDetail;
use crate::playback::{self, Playback, RATE};
use crate::tones::{self, CODE_MODULUS};
use crate::{Error, UserId};

/// What counts as a gap and as silence.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// Packets further apart than this make a gap. They come every 20 ms.
    pub gap: Duration,
    /// Silence shorter than this is not listed. The coded sound itself is silent for up to 960 ms
    /// of each second.
    pub silence: Duration,
    /// Sound below this root mean square (full scale is 1) is silence. 0.003 is -50 dBFS.
    pub silence_level: f32,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            gap: Duration::from_millis(100),
            silence: Duration::from_millis(1200),
            silence_level: 0.003,
        }
    }
}

/// A moment, on the monotonic clock and as wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Moment {
    /// On this process's monotonic clock.
    #[serde(skip)]
    pub at: Instant,
    /// Nanoseconds since the Unix epoch.
    pub unix_ns: u64,
}

/// A click: the beginning of some second of the film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Click {
    /// When its first sample came in.
    #[serde(flatten)]
    pub moment: Moment,
    /// Whether it is that of a second that ten divides.
    pub tenth: bool,
    /// SSRC of the connection that it came by.
    pub ssrc: u32,
}

/// A second of the film whose number was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodedSecond {
    /// The second modulo 1024.
    pub second: u32,
    /// When its first sample came in.
    #[serde(flatten)]
    pub moment: Moment,
    /// RTP time of its first sample.
    pub rtp_time: u32,
    /// Whether the second before or after it was heard where it had to be. A number that was cut
    /// together by a seek is not confirmed.
    pub confirmed: bool,
    /// SSRC of the connection that it came by.
    pub ssrc: u32,
}

/// From the last sign of something to its next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Begin.
    pub from: Moment,
    /// End.
    pub until: Moment,
    /// How long, in milliseconds.
    pub ms: u64,
}

/// What was heard, over all connections of the snapshot.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EarReport {
    /// Clicks, by time.
    pub clicks: Vec<Click>,
    /// Numbered seconds, by time.
    pub seconds: Vec<CodedSecond>,
    /// The longest time between two packets.
    pub longest_gap: Option<Span>,
    /// All times between packets longer than [`Listening::gap`].
    pub gaps: Vec<Span>,
    /// Times without sound, whether no packets came, silence frames, or too quiet ones. The last
    /// one may reach to the moment of the snapshot.
    pub silences: Vec<Span>,
    /// End of the last packet that was not silent.
    pub last_sound: Option<Moment>,
    /// Packets that bore no decodable Opus, or could not be decrypted.
    pub undecodable: u64,
}

impl EarReport {
    /// The film's position (seconds, modulo 1024) that was heard at `at`, from the last confirmed
    /// second before it. `None` when there is none within the 1.5 s before.
    pub fn position_at(&self, at: Instant) -> Option<f64> {
        let last = self
            .seconds
            .iter()
            .rfind(|one| one.confirmed && one.moment.at <= at)?;
        let since = at.duration_since(last.moment.at);
        (since < Duration::from_millis(1500)).then(|| f64::from(last.second) + since.as_secs_f64())
    }
}

impl Heard {
    /// Only what came from one bot.
    #[must_use]
    pub fn of_user(mut self, user: UserId) -> Self {
        self.connections.retain(|one| one.info.user == user);
        self
    }

    /// Only what came by one connection.
    #[must_use]
    pub fn of_connection(mut self, ssrc: u32) -> Self {
        self.connections.retain(|one| one.info.ssrc == ssrc);
        self
    }
}

impl Listening {
    /// Decodes and analyses a snapshot.
    pub fn report(&self, heard: &Heard) -> Result<EarReport, Error> {
        if heard.detail() == HeardDetail::Arrivals {
            return Err(Error::SoundNotKept);
        }
        let clock = heard.clock();
        let mut report = EarReport::default();
        let mut sounding = Vec::new();
        for connection in &heard.connections {
            let played = playback::play(connection)?;
            report.undecodable += played.undecodable;
            find_seconds(connection, &played, clock, &mut report);
            let audible = played.levels.iter();
            sounding.extend(
                audible
                    .filter(|level| level.rms >= self.silence_level)
                    .map(|level| (level.at, level.at + level.lasts)),
            );
        }
        report.clicks.sort_by_key(|click| click.moment);
        report.seconds.sort_by_key(|second| second.moment);
        sounding.sort();

        let arrivals: Vec<Instant> = heard.packets().iter().map(|packet| packet.at).collect();
        let spans = arrivals
            .windows(2)
            .map(|pair| span(clock, pair[0], pair[1]));
        report.longest_gap = spans.clone().max_by_key(|one| one.until.at - one.from.at);
        report.gaps = spans
            .filter(|one| one.until.at - one.from.at > self.gap)
            .collect();
        if let Some(first) = arrivals.first() {
            report.silences = self.silences(clock, *first, &sounding, heard.taken_at());
        }
        report.last_sound = sounding
            .iter()
            .map(|(_, end)| *end)
            .max()
            .map(|at| moment(clock, at));
        Ok(report)
    }

    /// The holes in `sounding` from `from` to `until`.
    fn silences(
        &self,
        clock: SimClock,
        from: Instant,
        sounding: &[(Instant, Instant)],
        until: Instant,
    ) -> Vec<Span> {
        let mut silences = Vec::new();
        let mut heard_until = from;
        for (begin, end) in sounding.iter().copied().chain([(until, until)]) {
            if begin.saturating_duration_since(heard_until) >= self.silence {
                silences.push(span(clock, heard_until, begin));
            }
            heard_until = heard_until.max(end);
        }
        silences
    }
}

fn find_seconds(
    connection: &HeardConnection,
    played: &Playback,
    clock: SimClock,
    report: &mut EarReport,
) {
    let ssrc = connection.info.ssrc;
    for stretch in &played.stretches {
        let mut seconds: Vec<(usize, CodedSecond)> = Vec::new();
        for click in tones::find_clicks(&stretch.sound, RATE) {
            let place = stretch.arrival(click.start);
            let Some((at, rtp_time)) = place.zip(stretch.rtp_time(click.start)) else {
                continue;
            };
            let moment = moment(clock, at);
            report.clicks.push(Click {
                moment,
                tenth: click.tenth,
                ssrc,
            });
            if let Some(second) = tones::read_code(&stretch.sound, RATE, click) {
                let second = CodedSecond {
                    second,
                    moment,
                    rtp_time,
                    confirmed: false,
                    ssrc,
                };
                seconds.push((click.start, second));
            }
        }
        for n in 1..seconds.len() {
            let ((before_at, before), (at, second)) = (seconds[n - 1], seconds[n]);
            let apart = at - before_at;
            if (before.second + 1) % CODE_MODULUS == second.second
                && apart.abs_diff(RATE) <= RATE / 50
            {
                seconds[n - 1].1.confirmed = true;
                seconds[n].1.confirmed = true;
            }
        }
        report
            .seconds
            .extend(seconds.into_iter().map(|(_, second)| second));
    }
}

fn moment(clock: SimClock, at: Instant) -> Moment {
    Moment {
        at,
        unix_ns: clock.unix_ns(at),
    }
}

fn span(clock: SimClock, from: Instant, until: Instant) -> Span {
    Span {
        from: moment(clock, from),
        until: moment(clock, until),
        ms: u64::try_from(until.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use std::ops::Range;

    use bytes::Bytes;
    use opus2::{Application, Bitrate, Channels, Encoder};

    use super::*;
    use crate::heard::{ConnectionInfo, HeardCounters, HeardPacket, OPUS_SILENCE};
    use crate::sockets::loopback;
    use crate::tones::{SOUND_RATE, coded_sound};
    use crate::{ChannelId, GuildId};

    const FRAME: usize = SOUND_RATE as usize / 50;
    const FRAME_TIME: Duration = Duration::from_millis(20);

    /// The Opus packets of these seconds, as a worker would send them.
    pub(crate) fn encoded(seconds: Range<u32>, bitrate: i32) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(SOUND_RATE, Channels::Stereo, Application::Audio).unwrap();
        encoder.set_bitrate(Bitrate::Bits(bitrate)).unwrap();
        coded_sound(seconds)
            .chunks(FRAME)
            .map(|frame| {
                let stereo: Vec<f32> = frame.iter().flat_map(|one| [*one, *one]).collect();
                encoder.encode_vec_float(&stereo, 1500).unwrap()
            })
            .collect()
    }

    pub(crate) fn heard(packets: Vec<HeardPacket>, opened_at: Instant) -> Heard {
        let info = ConnectionInfo {
            ssrc: 1,
            guild: GuildId(1),
            channel: ChannelId(2),
            stream: None,
            user: UserId(3),
            source: loopback(4),
            dave: false,
            opened_at,
        };
        let taken_at = packets.last().map_or(opened_at, |packet| packet.at);
        let connection = HeardConnection {
            info,
            closed_at: None,
            counters: HeardCounters::default(),
            packets,
        };
        Heard::of(SimClock::start(), vec![connection], taken_at)
    }

    /// Packets that come in 20 ms after one another.
    pub(crate) fn steady(opus: Vec<Vec<u8>>, from: Instant) -> Vec<HeardPacket> {
        let packet = |(n, opus): (usize, Vec<u8>)| HeardPacket {
            at: from + FRAME_TIME * n as u32,
            unix_ns: 0,
            sequence: n as u16,
            timestamp: (n * FRAME) as u32,
            dave_encrypted: false,
            decrypted: true,
            members: 1,
            decrypted_by: 1,
            downgraded: false,
            silence: opus == OPUS_SILENCE,
            in_the_clear: false,
            opus: Some(Bytes::from(opus)),
        };
        opus.into_iter().enumerate().map(packet).collect()
    }

    fn numbers(report: &EarReport) -> Vec<(u32, bool)> {
        let seconds = report.seconds.iter();
        seconds.map(|one| (one.second, one.confirmed)).collect()
    }

    #[test]
    fn hears_which_second_came_when_through_opus() {
        let start = Instant::now();
        for bitrate in [48_000, 128_000] {
            let report = heard(steady(encoded(118..124, bitrate), start), start)
                .listen()
                .unwrap();
            let expected: Vec<_> = (118..124).map(|second| (second, true)).collect();
            assert_eq!(numbers(&report), expected);
            for (n, click) in report.clicks.iter().enumerate() {
                // Opus itself delays by 6.5 ms.
                let late = click.moment.at - (start + Duration::from_secs(n as u64));
                assert!(late < Duration::from_millis(12), "{late:?}");
                assert_eq!(click.tenth, n == 2);
            }
            let position = report.position_at(start + Duration::from_millis(3500));
            assert!((position.unwrap() - 121.5).abs() < 0.015, "{position:?}");
            assert!(report.gaps.is_empty() && report.silences.is_empty());
            assert_eq!(report.undecodable, 0);
        }
    }

    #[test]
    fn a_seek_is_heard_at_the_new_second_and_half_a_number_is_not_believed() {
        let start = Instant::now();
        let mut opus = encoded(10..13, 128_000);
        opus.truncate(2 * 50 + 17); // in the middle of second 12's number
        opus.extend(encoded(700..703, 128_000).split_off(25)); // in the middle of second 700's
        let report = heard(steady(opus, start), start).listen().unwrap();
        let confirmed: Vec<u32> = report
            .seconds
            .iter()
            .filter(|one| one.confirmed)
            .map(|one| one.second)
            .collect();
        assert_eq!(confirmed, [10, 11, 701, 702]);
    }

    #[test]
    fn a_pause_is_a_gap_and_a_silence() {
        let start = Instant::now();
        let mut packets = steady(encoded(20..26, 128_000), start);
        for packet in &mut packets[150..] {
            packet.at += Duration::from_secs(2);
        }
        let report = heard(packets, start).listen().unwrap();
        assert_eq!(report.gaps.len(), 1);
        assert_eq!(report.longest_gap.unwrap().ms, 2020);
        assert_eq!(report.silences.len(), 1);
        assert!(report.silences[0].ms >= 2000);
        let expected: Vec<_> = (20..26).map(|second| (second, true)).collect();
        assert_eq!(numbers(&report), expected);
    }

    #[test]
    fn silence_frames_are_silence_though_packets_come() {
        let start = Instant::now();
        let mut opus = encoded(20..22, 128_000);
        opus.extend(vec![OPUS_SILENCE.to_vec(); 100]);
        let report = heard(steady(opus, start), start).listen().unwrap();
        assert!(report.gaps.is_empty());
        assert_eq!(report.silences.len(), 1);
        let last_sound = report.last_sound.unwrap().at - start;
        assert!(last_sound < Duration::from_millis(1700), "{last_sound:?}");
    }

    #[test]
    fn lost_packets_cost_the_second_that_they_were_in_and_no_other() {
        let start = Instant::now();
        let mut packets = steady(encoded(30..36, 128_000), start);
        packets.drain(115..117);
        let report = heard(packets, start).listen().unwrap();
        let seconds: Vec<u32> = report.seconds.iter().map(|one| one.second).collect();
        assert_eq!(seconds, [30, 31, 33, 34, 35]);
        assert_eq!(report.clicks.len(), 6);
    }

    #[test]
    fn what_is_no_opus_is_counted_and_nothing_else() {
        let start = Instant::now();
        let mut packets = steady(encoded(40..42, 128_000), start);
        packets[10].opus = None;
        packets[30].opus = Some(Bytes::new());
        let report = heard(packets, start).listen().unwrap();
        assert!(report.undecodable >= 1);
        assert_eq!(report.seconds.last().unwrap().second, 41);
    }
}
