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
    packets: Vec<Played>,
}

/// A packet that was decoded.
struct Played {
    first_sample: usize,
    at: Instant,
    timestamp: u32,
}

impl Stretch {
    /// When the sample came in: its packet's arrival, plus its place in the packet. What a listener
    /// without any buffer would have heard then.
    pub(crate) fn arrival(&self, sample: usize) -> Option<Instant> {
        let packet = self.packet(sample)?;
        Some(packet.at + time_of(sample - packet.first_sample))
    }

    /// The sample's RTP time. Arrivals cannot tell it: of two packets that came close together the second may be there
    /// before the end of the first.
    pub(crate) fn rtp_time(&self, sample: usize) -> Option<u32> {
        let packet = self.packet(sample)?;
        let into = (sample - packet.first_sample) as u32 * RTP_PER_SAMPLE;
        Some(packet.timestamp.wrapping_add(into))
    }

    /// Which packet the sample is of.
    fn packet(&self, sample: usize) -> Option<&Played> {
        let up_to = |packet: &Played| packet.first_sample <= sample;
        let after = self.packets.partition_point(up_to);
        self.packets.get(after.checked_sub(1)?)
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
        stretch.packets.push(Played {
            first_sample: stretch.sound.len(),
            at: packet.at,
            timestamp: packet.timestamp,
        });
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
