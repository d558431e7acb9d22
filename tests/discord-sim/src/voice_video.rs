//! What clients say about pictures: op 12 (who shows what, and how large) and op 15 (who wants what).
//!
//! Both are in userdoccers, "Voice Opcodes". Op 12 is relayed to the others in the call; op 15 of a client is written
//! down, and op 15 of the server says what the viewers want.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::early_media::OVERTAKES_BY;
use crate::record::RecordEvent;
use crate::seen::{Media, VideoAnnouncement};
use crate::voice_connections::{SocketOut, VoiceConnection, VoiceOut};
use crate::voice_wire::op;
use crate::world::State;
use crate::{GuildId, UserId};

/// Everything: what a viewer wants whose window is large.
const BEST: u8 = 100;

/// The last op 12 of a client.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    /// There are pictures.
    pub(crate) active: bool,
    /// When there were some last, if there are none.
    ended: Option<Instant>,
    /// As it came: what the others are told.
    data: Value,
}

impl Announced {
    /// Whether a packet of a picture that came then is no surprise: some are still on their way when op 12 takes the
    /// pictures back.
    pub(crate) fn allows(&self, at: Instant) -> bool {
        self.active || self.ended.is_some_and(|ended| at < ended + OVERTAKES_BY)
    }
}

/// Voice op 12.
#[derive(Deserialize)]
struct Video {
    #[serde(rename = "audio_ssrc")]
    sound: u32,
    #[serde(rename = "video_ssrc")]
    pictures: u32,
    #[serde(rename = "rtx_ssrc")]
    rtx: u32,
    streams: Vec<VideoStream>,
}

#[derive(Deserialize)]
struct VideoStream {
    #[serde(rename = "type")]
    kind: String,
    rid: String,
    ssrc: u32,
    rtx_ssrc: u32,
    active: bool,
    #[serde(default)]
    max_bitrate: f64,
    #[serde(default)]
    max_framerate: f64,
    #[serde(default)]
    max_resolution: Option<Resolution>,
}

#[derive(Deserialize)]
struct Resolution {
    width: u32,
    height: u32,
}

impl Video {
    /// What is wrong with it for this connection.
    fn check(&self, connection: &VoiceConnection) -> Result<(), &'static str> {
        if self.sound != connection.ssrc {
            return Err("op 12: audio_ssrc is not the connection's");
        }
        if self.pictures == 0 {
            let nothing = self.rtx == 0 && self.streams.is_empty();
            return nothing
                .then_some(())
                .ok_or("op 12: streams without video_ssrc");
        }
        let Some(own) = connection.pictures else {
            return Err("op 12: the connection asked for no streams");
        };
        let is_own = |ssrc, rtx| (ssrc, rtx) == (own.ssrc, own.rtx);
        if !is_own(self.pictures, self.rtx) {
            return Err("op 12: video_ssrc or rtx_ssrc is not the connection's");
        }
        for stream in &self.streams {
            if !is_own(stream.ssrc, stream.rtx_ssrc) {
                return Err("op 12: a stream with another's ssrc");
            }
            if !matches!(stream.kind.as_str(), "screen" | "video") || stream.rid.is_empty() {
                return Err("op 12: a stream without type or rid");
            }
        }
        Ok(())
    }

    fn announcement(&self, at: Instant) -> VideoAnnouncement {
        let active = self.streams.iter().find(|stream| stream.active);
        let resolution = active.and_then(|stream| stream.max_resolution.as_ref());
        VideoAnnouncement {
            at,
            active: self.pictures != 0 && active.is_some(),
            width: resolution.map_or(0, |size| size.width),
            height: resolution.map_or(0, |size| size.height),
            frame_rate: active.map_or(0.0, |stream| stream.max_framerate),
            bits_per_second: active.map_or(0, |stream| stream.max_bitrate as u64),
        }
    }
}

impl State {
    /// Op 12 of a client.
    pub(crate) fn video(&mut self, ssrc: u32, data: Value) -> Option<SocketOut> {
        let connection = self.connections.get_mut(ssrc)?;
        let Ok(video) = Video::deserialize(&data) else {
            return Some(SocketOut::Close(4002, "failed to decode payload"));
        };
        let refused = video.check(connection).err();
        let announcement = video.announcement(Instant::now());
        let (place, user) = (connection.place(), connection.user);
        let source = connection.socket.as_ref().map(|socket| socket.source);
        let event = RecordEvent::VoiceVideo {
            connection: u64::from(ssrc),
            active: announcement.active,
            width: announcement.width,
            height: announcement.height,
            frame_rate: announcement.frame_rate.round() as u32,
            bits_per_second: announcement.bits_per_second,
            refused: refused.map(str::to_owned),
        };
        self.context.record.add(source, Some(user), event);
        if let Some(reason) = refused {
            return Some(SocketOut::Close(4020, reason));
        }
        self.context
            .seen
            .with(ssrc, |stored| stored.announce(announcement));
        let active = announcement.active;
        let before = connection.video.take();
        let was_active = before.as_ref().is_some_and(|before| before.active);
        let ended = match before {
            Some(before) if !was_active => before.ended,
            _ => (was_active && !active).then_some(announcement.at),
        };
        let began = active && !was_active;
        connection.video = Some(Announced {
            active,
            ended,
            data,
        });
        let relayed = video_event(connection);
        for other in self.connections.in_call(place) {
            if other.user != user {
                other.send(VoiceOut::Json(op::VIDEO, relayed.clone()));
            }
        }
        if began {
            self.announced(ssrc, Media::Picture, announcement.at);
            // The listener looks on.
            self.want(ssrc, BEST, None);
        }
        None
    }

    /// Op 15 of a client: what it wants to be sent.
    pub(crate) fn wants(&mut self, ssrc: u32, data: &Value) -> Option<SocketOut> {
        let connection = self.connections.get(ssrc)?;
        // Numbers by SSRC, "any", and "pixelCounts" of the same.
        if BTreeMap::<String, Value>::deserialize(data).is_err() {
            return Some(SocketOut::Close(4002, "failed to decode payload"));
        }
        let source = connection.socket.as_ref().map(|socket| socket.source);
        let event = RecordEvent::VoiceWants {
            connection: u64::from(ssrc),
            wants: data.to_string(),
        };
        self.context
            .record
            .add(source, Some(connection.user), event);
        None
    }

    /// Op 15 to a client: its viewers want this quality, and so many pixels.
    fn want(&mut self, ssrc: u32, quality: u8, pixel_count: Option<u64>) {
        let Some(connection) = self.connections.get_mut(ssrc) else {
            return;
        };
        let mut wants = json!({"any": quality});
        if let Some(own) = connection.pictures {
            wants[own.ssrc.to_string()] = quality.into();
            if let Some(pixels) = pixel_count {
                wants["pixelCounts"] = json!({own.ssrc.to_string(): pixels});
            }
        }
        connection.send(VoiceOut::Json(op::MEDIA_SINK_WANTS, wants));
    }

    /// The same for all connections to streams of a guild; returns how many there were.
    pub(crate) fn want_all(
        &mut self,
        guild: GuildId,
        user: Option<UserId>,
        quality: u8,
        pixel_count: Option<u64>,
    ) -> usize {
        let hit = self.connections.of_streams(guild, user);
        for &ssrc in &hit {
            self.want(ssrc, quality, pixel_count);
        }
        hit.len()
    }
}

/// Voice op 12 as the others get it.
pub(crate) fn video_event(connection: &VoiceConnection) -> Value {
    let mut event = connection
        .video
        .as_ref()
        .map_or_else(|| json!({}), |video| video.data.clone());
    event["user_id"] = json!(connection.user);
    event
}
