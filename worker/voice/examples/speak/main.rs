//! Speaks in a voice channel, and prints what it hears.
//!
//! Reads one line of JSON with the credentials, as `VOICE_STATE_UPDATE` and `VOICE_SERVER_UPDATE` of the main gateway
//! tell them (never on the command line: a process list shows it to everybody):
//!
//! ```text
//! {"endpoint": "host:port", "guild_id": "1", "channel_id": "2", "user_id": "3", "session_id": "…", "token": "…"}
//! ```
//!
//! Further lines are commands: `pause`, `play`, `leave`. At the end of its input it goes on until its frames end.
//!
//! ```text
//! cargo run -p orb-voice --example speak -- song.opus < credentials.json
//! ```
//!
//! With the simulator, which makes the credentials up:
//!
//! ```text
//! cargo run -p discord-sim            # prints its address and its certificate authority
//! curl -d '{"guild": "1", "channel": "2", "user": "3"}' -H 'content-type: application/json' $API/_sim/voice |
//!     SSL_CERT_FILE=$CA cargo run -p orb-voice --example speak
//! ```
//!
//! With `--pictures film.h264` (24 a second, Annex B, none reordered) it is a Go Live stream: the credentials then have
//! `"rtc_server_id": 4` besides, and the stream's endpoint and token. The simulator makes these up at `/_sim/stream`.
//!
//! Without a file it sends counted frames (see [`frames`]) without end: no sound, but whoever gets them can tell which
//! are missing. Everything that happens is a line of JSON on the standard output.

#[path = "../show/film.rs"]
mod film;
mod frames;
mod ogg;
mod pictures;
mod printed;

use std::{error::Error, future, sync::Arc, time::Duration};

use orb_voice::{
    Call, CallEvent, Driver, DriverConfig, FrameSource, OpenGate, StreamServer, VoiceServer,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    sync::mpsc,
};

use frames::Frames;
use pictures::Pictures;

/// Events that wait for being printed. A call waits for no reader: what finds no room is lost.
const EVENTS: usize = 64;

/// The driver ends sound with five frames of silence, which are to go out before the end.
const SILENCE_TAIL: Duration = Duration::from_millis(120);

/// Packets that wait for being printed: some twenty seconds of four speakers.
const PACKETS: usize = 4096;

/// The ids are digits in quotes, as everywhere at Discord.
#[derive(Deserialize)]
struct Credentials {
    endpoint: String,
    guild_id: String,
    channel_id: String,
    user_id: String,
    session_id: String,
    token: String,
    /// Of a stream.
    rtc_server_id: Option<u64>,
}

impl Credentials {
    fn read(line: &str) -> Result<VoiceServer, Box<dyn Error>> {
        // The error's own text may quote the token.
        let read: Self = serde_json::from_str(line)
            .map_err(|_| "the first line is no credentials; write them as JSON, all on one line")?;
        Ok(VoiceServer {
            endpoint: read.endpoint,
            guild_id: read.guild_id.parse()?,
            channel_id: read.channel_id.parse()?,
            user_id: read.user_id.parse()?,
            session_id: read.session_id.into(),
            token: read.token.into(),
            stream: read
                .rtc_server_id
                .map(|rtc_server_id| StreamServer { rtc_server_id }),
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (mut frames, mut pictures) = (Frames::counted(), None);
    while let Some(argument) = arguments.next() {
        if argument == "--pictures" {
            let path = arguments.next().ok_or("--pictures needs a file")?;
            let film = film::pictures(std::fs::read(path)?.into())?;
            pictures = Some(Arc::new(Pictures::of(film)));
        } else {
            frames = Frames::of(ogg::opus_packets(&std::fs::read(argument)?)?);
        }
    }
    let frames = Arc::new(frames);
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let first = input.next_line().await?.unwrap_or_default();
    let server = Credentials::read(&first)?;

    // One driver a process, one call an account and guild.
    let driver = Driver::new(DriverConfig::default())?;
    let (events, mut told) = mpsc::channel(EVENTS);
    let (heard, mut packets) = mpsc::channel(PACKETS);
    let source = Arc::clone(&frames) as Arc<dyn FrameSource>;
    let mut call = match &pictures {
        Some(pictures) => driver.stream_call(source, Arc::clone(pictures) as _, events),
        None => driver.listening_call(source, events, heard),
    };
    // Nobody else has these credentials. Who may have a successor asks before every dial: `Gate`.
    call.connect(server, Arc::new(OpenGate));

    let mut commands = Some(input);
    loop {
        tokio::select! {
            Some(event) = told.recv() => {
                printed::event(&event);
                if let CallEvent::Lost { reason, .. } = event {
                    return Err(format!("the connection is lost: {reason}").into());
                }
            }
            Some(packet) = packets.recv() => printed::heard(&packet),
            sent = frames.idle() => {
                printed::idle(sent, pictures.as_ref().map(|pictures| pictures.sent()));
                if commands.is_none() {
                    tokio::time::sleep(SILENCE_TAIL).await;
                    return Ok(());
                }
            }
            command = next(&mut commands) => match command?.as_deref() {
                Some("leave") => return Ok(()),
                Some(command) => obey(command, &call, &frames),
                None => commands = None,
            },
        }
    }
}

/// The next command; none at the end of the input, and nothing ever after it.
async fn next(commands: &mut Option<Lines<BufReader<Stdin>>>) -> std::io::Result<Option<String>> {
    match commands {
        Some(lines) => lines.next_line().await,
        None => future::pending().await,
    }
}

fn obey(command: &str, call: &Call, frames: &Frames) {
    match command {
        "pause" => frames.pause(true),
        "play" => {
            frames.pause(false);
            // It said that there is nothing to play, so it is not asked any more.
            call.wake();
        }
        other => eprintln!("unknown command {other:?}; there are pause, play and leave"),
    }
}
