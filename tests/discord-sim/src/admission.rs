//! Whether a voice client may take part, and in which call: a voice channel's, or a Go Live stream's.

use std::sync::Arc;

use crate::call::{Call, Place};
use crate::voice_states::Refusal;
use crate::world::State;
use crate::{ChannelId, GuildId, UserId};

/// What a client presents in op 0.
pub(crate) struct Presented<'a> {
    /// A guild, or the `rtc_server_id` of a stream.
    pub(crate) server_id: u64,
    pub(crate) user: UserId,
    pub(crate) voice_session: &'a str,
    pub(crate) token: &'a str,
    pub(crate) listener: usize,
}

/// Where it may take part.
#[derive(Clone, Copy)]
pub(crate) struct Admitted {
    pub(crate) guild: GuildId,
    /// The voice channel; of a stream: that it is shown in.
    pub(crate) channel: ChannelId,
    pub(crate) stream: Option<u64>,
    pub(crate) place: Place,
}

impl State {
    /// Checks what a client presents against what the main gateway handed out.
    pub(crate) fn admit(&self, presented: &Presented<'_>) -> Result<Admitted, Refusal> {
        let Presented {
            server_id,
            user,
            voice_session,
            token,
            listener,
        } = *presented;
        if self.streams.has(server_id) {
            let seat = self
                .streams
                .admit(server_id, user, voice_session, token, listener)?;
            return Ok(Admitted {
                guild: seat.guild,
                channel: seat.channel,
                stream: Some(server_id),
                place: (seat.guild, seat.dave_group),
            });
        }
        let guild = GuildId(server_id);
        let state = self
            .voice_states
            .admit(guild, user, voice_session, token, listener)?;
        Ok(Admitted {
            guild,
            channel: state.channel,
            stream: None,
            place: (guild, state.channel),
        })
    }

    /// The guild that a `server_id` belongs to.
    pub(crate) fn guild_of_server(&self, server_id: u64) -> GuildId {
        let stream = self.streams.get(server_id);
        stream.map_or(GuildId(server_id), |stream| stream.guild)
    }

    /// The stream that it names, if it names one.
    pub(crate) fn stream_of_server(&self, server_id: u64) -> Option<u64> {
        self.streams.has(server_id).then_some(server_id)
    }

    /// The call of a stream; the first to come finds its listening member there already.
    pub(crate) fn ensure_stream_call(&mut self, admitted: &Admitted) {
        let context = Arc::clone(&self.context);
        self.calls
            .entry(admitted.place)
            .or_insert_with(|| Call::of_stream(context, admitted.place, admitted.channel));
    }

    /// Takes down the calls of streams that are over and that nobody is connected to any more.
    pub(crate) fn end_stream_calls(&mut self) {
        let streams = &self.streams;
        let over = |place: &Place, call: &Call| {
            // The stream's id is the one above its group's (see `streams`).
            call.is_stream() && !streams.has(place.1.0 + 1)
        };
        let over: Vec<Place> = self
            .calls
            .iter()
            .filter(|(place, call)| over(place, call))
            .map(|(place, _)| *place)
            .collect();
        for place in over {
            if self.connections.in_call(place).next().is_none() {
                self.calls.remove(&place);
            }
        }
    }
}
