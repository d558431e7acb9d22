//! What the listening members saw: every picture that reached them, for a bounded time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::SimClock;
use crate::heard::ConnectionInfo;
use crate::{Error, UserId};

/// A kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Opus.
    Sound,
    /// H.264.
    Picture,
}

impl Media {
    /// How much RTP time a second has.
    fn clock_rate(self) -> i64 {
        match self {
            Self::Sound => 48_000,
            Self::Picture => 90_000,
        }
    }
}

/// One picture as the listening member got it.
#[derive(Clone, Debug, Serialize)]
pub struct SeenPicture {
    /// When its first packet came: the kernel's stamp, plus what the link model added.
    #[serde(skip)]
    pub first_at: Instant,
    /// When it was whole, by the last of its packets. It may have been waited for longer: earlier ones come first.
    #[serde(skip)]
    pub at: Instant,
    /// `at` in nanoseconds since the Unix epoch.
    pub unix_ns: u64,
    /// RTP timestamp: 90,000 a second.
    pub rtp_time: u32,
    /// The decrypted access unit as Annex B. `None`: it could not be decrypted, or is older than
    /// [`DiscordSimConfig::seen_bytes_window`](crate::DiscordSimConfig::seen_bytes_window).
    #[serde(skip)]
    pub data: Option<Bytes>,
    /// Its length, as it was received if it could not be decrypted.
    pub bytes: usize,
    /// RTP packets that it came in.
    pub packets: u16,
    /// How many of these came when they were asked for again.
    pub retransmitted: u16,
    /// Whether it has an IDR slice.
    pub idr: bool,
    /// Whether it was a DAVE frame.
    pub dave_encrypted: bool,
    /// Whether the listener could decrypt it; what is in the clear counts as decrypted.
    pub decrypted: bool,
    /// Whether a decoder can show it: an unbroken chain of pictures leads to it from an IDR.
    pub decodable: bool,
    /// Whether it was in the clear though DAVE had been negotiated on its connection.
    pub in_the_clear: bool,
    /// Whether the call was downgraded to transport encryption when it came.
    pub downgraded: bool,
}

/// Counters of a connection's whole life, whatever is still kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SeenCounters {
    /// Pictures that came whole.
    pub pictures: u64,
    /// Of these: with an IDR slice.
    pub idr: u64,
    /// Of these: that a decoder can show.
    pub decodable: u64,
    /// Of these: DAVE frames that the listener could not decrypt.
    pub undecryptable: u64,
    /// Of these: in the clear after DAVE was negotiated.
    pub in_the_clear: u64,
    /// Of these: while the call was downgraded.
    pub in_the_clear_downgraded: u64,
    /// Times that the chain of pictures broke: packets that never came, a picture that is none.
    pub broken: u64,
    /// Packets of pictures, those that came again included.
    pub packets: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Packets that were given up: they did not come again either.
    pub lost: u64,
    /// Packets that came when they were asked for again.
    pub retransmitted: u64,
    /// Payloads that are no H.264.
    pub malformed: u64,
    /// Packets of pictures before op 12 announced any, or after it took them back.
    pub unannounced: u64,
    /// Key frames that were asked for: by the listener, by others in the call, by faults.
    pub key_frame_requests: u64,
    /// Datagrams that the link model lost, of either direction.
    pub link_lost: u64,
}

/// A sender report (RTCP SR) as it came.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SenderReport {
    /// When it came.
    #[serde(skip)]
    pub at: Instant,
    /// What it is about.
    pub media: Media,
    /// The sender's wall clock, since the Unix epoch.
    pub ntp: Duration,
    /// The RTP time of the same moment.
    pub rtp_time: u32,
}

/// What an op 12 of the client said about its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VideoAnnouncement {
    /// When it came.
    #[serde(skip)]
    pub at: Instant,
    /// Whether there are any from now on.
    pub active: bool,
    /// `max_resolution`, in pixels; 0 when it was not said.
    pub width: u32,
    /// The same.
    pub height: u32,
    /// `max_framerate`, pictures a second.
    pub frame_rate: f64,
    /// `max_bitrate`, bits a second.
    pub bits_per_second: u64,
}

/// How long a datagram waited in the modelled queue on the way up.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueueWait {
    /// When the client sent it: the kernel's stamp.
    #[serde(skip)]
    pub at: Instant,
    /// Until the bandwidth was free for it. `None`: there was no room; it was lost.
    pub waited: Option<Duration>,
}

/// One connection's pictures as the member saw them.
#[derive(Clone, Debug)]
pub struct SeenConnection {
    /// Whose pictures these are.
    pub info: ConnectionInfo,
    /// When it ended, if it has.
    pub closed_at: Option<Instant>,
    /// Counters of its whole life.
    pub counters: SeenCounters,
    /// The pictures that are still kept, in the sender's order.
    pub pictures: Vec<SeenPicture>,
    /// Sender reports of sound and pictures, by arrival.
    pub reports: Vec<SenderReport>,
    /// What op 12 said, each time.
    pub announced: Vec<VideoAnnouncement>,
    /// Waits in the modelled queue up, while the link has a bandwidth.
    pub queue: Vec<QueueWait>,
}

impl SeenConnection {
    /// The longest time without a new decodable picture between two that there are: how long it froze. `None`: there
    /// are not two.
    pub fn longest_gap(&self) -> Option<Duration> {
        longest_gap(&self.pictures)
    }

    /// How long the last datagram that the client sent up to `at` waited in the modelled queue; zero without one.
    pub fn queue_delay_at(&self, at: Instant) -> Duration {
        let before = self.queue.partition_point(|wait| wait.at <= at);
        let mut last = self.queue[..before].iter().rev();
        last.find_map(|wait| wait.waited).unwrap_or_default()
    }

    /// What can be decoded of what is kept, with its bytes.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&SeenPicture, &Bytes)> {
        let mut whole = false;
        self.pictures.iter().filter_map(move |picture| {
            let data = picture.data.as_ref();
            whole = picture.decodable && data.is_some() && (whole || picture.idr);
            data.filter(|_| whole).map(|data| (picture, data))
        })
    }

    /// The sender's wall clock, since the Unix epoch, at which an RTP time is to be played: by the last sender report
    /// of that kind. The difference of a picture's and a sound packet's is what they are apart at the member.
    pub fn sender_time(&self, media: Media, rtp_time: u32) -> Option<Duration> {
        let mut reports = self.reports.iter().rev();
        let report = reports.find(|report| report.media == media)?;
        // The shorter way around: RTP time wraps.
        let apart = i64::from(rtp_time.wrapping_sub(report.rtp_time) as i32);
        let nanos = apart * 1_000_000_000 / media.clock_rate();
        let by = Duration::from_nanos(nanos.unsigned_abs());
        if nanos < 0 {
            report.ntp.checked_sub(by)
        } else {
            Some(report.ntp + by)
        }
    }
}

/// What was seen in one guild: a snapshot.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Connections that showed or may show pictures, oldest first.
    pub connections: Vec<SeenConnection>,
    pub(crate) clock: SimClock,
    pub(crate) taken_at: Instant,
}

impl Seen {
    /// All pictures of all connections: of each in the sender's order, connections oldest first.
    pub fn pictures(&self) -> impl Iterator<Item = &SeenPicture> {
        self.connections.iter().flat_map(|one| &one.pictures)
    }

    /// The sum of all connections' counters.
    pub fn totals(&self) -> SeenCounters {
        let mut sum = SeenCounters::default();
        for SeenConnection { counters: one, .. } in &self.connections {
            sum.pictures += one.pictures;
            sum.idr += one.idr;
            sum.decodable += one.decodable;
            sum.undecryptable += one.undecryptable;
            sum.in_the_clear += one.in_the_clear;
            sum.in_the_clear_downgraded += one.in_the_clear_downgraded;
            sum.broken += one.broken;
            sum.packets += one.packets;
            sum.bytes += one.bytes;
            sum.lost += one.lost;
            sum.retransmitted += one.retransmitted;
            sum.malformed += one.malformed;
            sum.unannounced += one.unannounced;
            sum.key_frame_requests += one.key_frame_requests;
            sum.link_lost += one.link_lost;
        }
        sum
    }

    /// What this user showed.
    #[must_use]
    pub fn of_user(mut self, user: UserId) -> Self {
        self.connections.retain(|one| one.info.user == user);
        self
    }

    /// The longest time without a new decodable picture, also from one connection to the next.
    pub fn longest_gap(&self) -> Option<Duration> {
        longest_gap(self.pictures())
    }

    /// Writes the decodable pictures whose bytes are kept, from the first IDR of each unbroken chain on, as a file that
    /// ffmpeg and ffprobe read (`-f h264`). Returns how many.
    pub fn write_annex_b(&self, path: impl AsRef<Path>) -> Result<usize, Error> {
        let failed = || Error::io("writing the pictures that were seen");
        let file = File::create(path).map_err(failed())?;
        let mut file = BufWriter::new(file);
        let mut written = 0;
        for data in self.annex_b() {
            file.write_all(data).map_err(failed())?;
            written += 1;
        }
        file.flush().map_err(failed())?;
        Ok(written)
    }

    /// The bytes of what can be decoded of what is kept.
    pub(crate) fn annex_b(&self) -> impl Iterator<Item = &Bytes> {
        let connections = self.connections.iter();
        let shown = connections.flat_map(SeenConnection::shown);
        shown.map(|(_, data)| data)
    }

    /// The clock that turns arrival times into wall time.
    pub fn clock(&self) -> SimClock {
        self.clock
    }

    /// When the snapshot was taken.
    pub fn taken_at(&self) -> Instant {
        self.taken_at
    }
}

/// A picture that waits for an earlier one is shown with it.
fn longest_gap<'a>(pictures: impl IntoIterator<Item = &'a SeenPicture>) -> Option<Duration> {
    let mut shown: Option<Instant> = None;
    let mut longest = None;
    for picture in pictures.into_iter().filter(|one| one.decodable) {
        let at = shown.map_or(picture.at, |before| before.max(picture.at));
        if let Some(before) = shown.replace(at) {
            longest = longest.max(Some(at - before));
        }
    }
    longest
}

#[cfg(test)]
mod tests;
