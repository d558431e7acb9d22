//! What time the pictures show that a member saw.
//!
//! A generated film bears its time in each picture, as squares along the upper edge (tests/jellyfin-sim/README.md, "The
//! generated film"). ffmpeg decodes, independent of whoever sent; of each picture only that row is kept, at a size of its
//! own, so that the resolution may change from picture to picture.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jellyfin_sim::read_time_code;

use serde::Serialize;

use crate::ears::Moment;
use crate::seen::{Media, Seen};
use crate::{Error, SimClock};

/// The row of squares as it is read: of eight pixels each.
const WIDTH: usize = 256;
const HEIGHT: usize = WIDTH / 32;

/// Goes in front of each picture (an access unit delimiter for any slices): without it, a picture that looks much like the
/// one before would be taken for a part of it.
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];

/// How much of ffmpeg's complaint goes into an error.
const SAID: usize = 1_000;

/// A picture of a film that the member saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimedPicture {
    /// When it was whole.
    #[serde(flatten)]
    pub moment: Moment,
    /// Its RTP timestamp.
    pub rtp_time: u32,
    /// When it is to be shown by the sender's wall clock, since the Unix epoch. `None`: no sender report came.
    pub sender: Option<Duration>,
    /// The time that it shows. `None`: it can be decoded, but no time can be read.
    pub media: Option<Duration>,
    /// SSRC that names its connection.
    pub ssrc: u32,
}

impl Seen {
    /// Looks at all pictures that can be decoded and whose bytes are kept, connection by connection.
    ///
    /// Runs ffmpeg, and blocks the thread meanwhile.
    pub fn look(&self) -> Result<Vec<TimedPicture>, Error> {
        let mut timed = Vec::new();
        for connection in &self.connections {
            let times = media_times(connection.shown().map(|(_, data)| data.as_ref()))?;
            let shown = connection.shown().zip(times);
            timed.extend(shown.map(|((picture, _), media)| TimedPicture {
                moment: moment(self.clock, picture.at),
                rtp_time: picture.rtp_time,
                sender: connection.sender_time(Media::Picture, picture.rtp_time),
                media,
                ssrc: connection.info.ssrc,
            }));
        }
        Ok(timed)
    }
}

fn moment(clock: SimClock, at: Instant) -> Moment {
    Moment {
        at,
        unix_ns: clock.unix_ns(at),
    }
}

/// Reads the media time off each of these pictures: access units of H.264 in Annex B, in the order in which they were sent,
/// none left out since the first, which is an IDR picture. `None`: decoded, but no time can be read.
///
/// Runs ffmpeg, and blocks the thread meanwhile.
pub fn media_times<'a>(
    pictures: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Option<Duration>>, Error> {
    let mut stream = Vec::new();
    let mut count = 0;
    for picture in pictures {
        stream.extend(DELIMITER);
        stream.extend(picture);
        count += 1;
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let (rows, said) = decode(stream).map_err(Error::io("running ffmpeg"))?;
    let row = WIDTH * HEIGHT;
    if rows.len() != count * row || !said.is_empty() {
        return Err(Error::Pictures {
            sent: count,
            decoded: rows.len() / row,
            said,
        });
    }
    let times = rows.chunks(row);
    Ok(times
        .map(|row| read_time_code(row, WIDTH, HEIGHT).map(Duration::from_millis))
        .collect())
}

/// The row of squares of each picture as luma, and what ffmpeg said.
///
/// A rate of our own (`-r`) in place of the stream's: that of one encoding may be another's half, and times that are made
/// of both run back, of which ffmpeg complains.
fn decode(stream: Vec<u8>) -> std::io::Result<(Vec<u8>, String)> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(
            "-v error -nostdin -threads 1 -r 24 -f h264 -i pipe:0 -map 0:v:0 -fps_mode passthrough"
                .split(' '),
        )
        .arg("-vf")
        .arg(format!(
            "format=gray,crop=iw:iw/32:0:0,scale={WIDTH}:{HEIGHT}:flags=area"
        ))
        .args("-f rawvideo pipe:1".split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let input = ffmpeg.stdin.take();
    std::thread::scope(|scope| {
        // It closes its side early when it dislikes what it reads; then its own words are the better ones.
        scope.spawn(move || input.map(|mut input| input.write_all(&stream)));
        let output = ffmpeg.wait_with_output()?;
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.is_empty() && !output.status.success() {
            said = output.status.to_string();
        }
        said.truncate(said.floor_char_boundary(SAID));
        Ok((output.stdout, said))
    })
}
