//! From packets back to sound: decodes what a connection's packets bear, and remembers when each
//! sample came in.

use std::time::{Duration, Instant};

use opus2::{Channels, Decoder};

use crate::Error;
use crate::heard::{HeardConnection, HeardPacket};

/// Samples a second that packets are decoded to. The tones end at 3 kHz, and a lower rate makes
/// ten minutes of sound a matter of megabytes.
pub(crate) const RATE: usize = 16_000;

/// Longest Opus packet: 120 ms.
const LARGEST_PACKET: usize = RATE * 120 / 1000;

/// RTP timestamps count 48,000 a second.
const RTP_PER_SAMPLE: u32 = 48_000 / RATE as u32;

/// A stretch of sound without a hole: consecutive packets.
#[derive(Default)]
pub(crate) struct Stretch {
    pub(crate) sound: Vec<f32>,
    /// First sample and arrival of each packet.
    arrivals: Vec<(usize, Instant)>,
}

impl Stretch {
    /// When the sample came in: its packet's arrival, plus its place in the packet. What a listener
    /// without any buffer would have heard then.
    pub(crate) fn arrival(&self, sample: usize) -> Option<Instant> {
        let after = self.arrivals.partition_point(|(first, _)| *first <= sample);
        let (first, at) = self.arrivals.get(after.checked_sub(1)?)?;
        Some(*at + time_of(sample - first))
    }
}

/// How long this many samples last.
pub(crate) fn time_of(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / RATE as u64)
}

/// A packet's sound level.
pub(crate) struct Level {
    pub(crate) at: Instant,
    pub(crate) lasts: Duration,
    /// Root mean square; full scale is 1.
    pub(crate) rms: f32,
}

/// A connection's sound.
#[derive(Default)]
pub(crate) struct Playback {
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) levels: Vec<Level>,
    /// Packets that the decoder refused.
    pub(crate) undecodable: u64,
}

/// Decodes a connection's packets.
pub(crate) fn play(connection: &HeardConnection) -> Result<Playback, Error> {
    let mut decoder = Decoder::new(RATE as u32, Channels::Mono)?;
    let mut playback = Playback::default();
    let mut stretch = Stretch::default();
    let mut previous: Option<(&HeardPacket, usize)> = None;
    let mut buffer = vec![0.0; LARGEST_PACKET];
    for packet in &connection.packets {
        let decoded = packet
            .opus
            .as_ref()
            .and_then(|opus| decoder.decode_float(opus, &mut buffer, false).ok());
        let Some(samples) = decoded else {
            playback.undecodable += 1;
            previous = None;
            continue;
        };
        if !previous.is_some_and(|(before, lasted)| follows(packet, before, lasted)) {
            playback.stretches.push(std::mem::take(&mut stretch));
        }
        let sound = &buffer[..samples];
        let power = sound.iter().map(|sample| sample * sample).sum::<f32>();
        playback.levels.push(Level {
            at: packet.at,
            lasts: time_of(samples),
            rms: (power / samples.max(1) as f32).sqrt(),
        });
        stretch.arrivals.push((stretch.sound.len(), packet.at));
        stretch.sound.extend_from_slice(sound);
        previous = Some((packet, samples));
    }
    playback.stretches.push(stretch);
    playback.stretches.retain(|one| !one.sound.is_empty());
    Ok(playback)
}

/// Whether `packet` goes on where `before`, of `lasted` samples, ended.
fn follows(packet: &HeardPacket, before: &HeardPacket, lasted: usize) -> bool {
    let expected = before
        .timestamp
        .wrapping_add(lasted as u32 * RTP_PER_SAMPLE);
    // When it came in does not matter: a sender that was held up goes on with the same sound.
    packet.sequence == before.sequence.wrapping_add(1) && packet.timestamp == expected
}
