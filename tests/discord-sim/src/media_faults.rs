//! What goes wrong on purpose with the connections of Go Live streams, and with the ways to the voice server.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::voice_connections::VoiceOut;
use crate::voice_wire::op;
use crate::webrtc_peers::LinkRule;
use crate::world::State;
use crate::{Error, GuildId, UserId};

/// What happens to the connections of streams, and not to those of voice channels. Over HTTP:
/// `{"kind": "stream", "guild": "1", "do": "close", "code": 4006}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum StreamFault {
    /// Closes them with any code, to the same effect as [`Fault::CloseVoice`](crate::Fault::CloseVoice).
    Close {
        /// The close code.
        code: u16,
    },
    /// Resets their TCP connections; they can be resumed.
    Reset,
    /// Ends TLS and TCP in good order, but without a WebSocket close frame; they can be resumed.
    Drop,
    /// Their sockets stay open, but nothing is sent on them any more; media goes on.
    Silence,
    /// Op 14: the codecs are agreed on anew, to the same end.
    SessionUpdate,
}

impl State {
    /// Applies a fault to the connections of streams; returns how many there were.
    pub(crate) fn hit_stream_connections(
        &mut self,
        guild: GuildId,
        user: Option<UserId>,
        what: StreamFault,
    ) -> Result<usize, Error> {
        let hit = self.connections.of_streams(guild, user);
        let out: fn() -> VoiceOut = match what {
            StreamFault::Close { code } => return self.close_all(&hit, code),
            StreamFault::Reset => || VoiceOut::Reset,
            StreamFault::Drop => || VoiceOut::Eof,
            StreamFault::Silence => || VoiceOut::Silence,
            StreamFault::SessionUpdate => || {
                let codecs = json!({"audio_codec": "opus", "video_codec": "H264"});
                VoiceOut::Json(op::SESSION_UPDATE, codecs)
            },
        };
        for &ssrc in &hit {
            if let Some(connection) = self.connections.get_mut(ssrc) {
                connection.send(out());
            }
        }
        Ok(hit.len())
    }

    /// Lays a link before the WebRTC connections that there are and that come; returns how many there were.
    pub(crate) fn lay_link(&mut self, rule: LinkRule) -> Result<usize, Error> {
        rule.shape.check()?;
        let now = Instant::now();
        let mut hits = 0;
        for ssrc in self.webrtc.ssrcs() {
            let fits = self
                .connections
                .get(ssrc)
                .is_some_and(|one| rule.fits(one.guild, one.user));
            hits += usize::from(fits && self.webrtc.lay(ssrc, &rule, now));
        }
        self.webrtc.add_rule(rule);
        Ok(hits)
    }

    /// Asks the clients that show pictures for key frames; returns how many there were.
    pub(crate) fn ask_for_key_frames(&mut self, guild: GuildId, user: Option<UserId>) -> usize {
        let now = Instant::now();
        let all = self.connections.in_guild(guild, user);
        let asked = all
            .into_iter()
            .filter(|&ssrc| self.ask_for_key_frame(ssrc, now));
        asked.count()
    }
}
