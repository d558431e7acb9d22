//! Go Live streams: who streams in which voice channel, who watches, and with which credentials each may connect.
//!
//! A stream is a call of its own beside the channel's: its voice connections identify with the stream's
//! `rtc_server_id` in the place of a guild, and its DAVE group is named by the number below that one.
//! (userdoccers, "Streams"; the group's id as `@dank074/discord-video-stream` and `discord-native-voice` have it.)

use std::collections::BTreeMap;

use serde::Serialize;

use crate::voice_states::{Credentials, Refusal};
use crate::{ChannelId, GuildId, UserId};

/// Ids of streams are taken from here on: no guild, channel or user of a test has one like it.
const FIRST_RTC_SERVER: u64 = 1_300_000_000_000_000_001;
/// One for the stream, one below it for its DAVE group, one above it for its RTC channel.
const IDS_OF_A_STREAM: u64 = 4;

/// One user's right to connect to a stream.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    /// The main gateway session that is told of the stream.
    pub(crate) gateway_session: String,
    /// The session id of the user's voice state.
    pub(crate) voice_session: String,
    /// `None` after they were made void; another op 18 makes new ones.
    pub(crate) credentials: Option<Credentials>,
}

/// A stream that is going on.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    /// Who streams.
    pub(crate) owner: UserId,
    pub(crate) paused: bool,
    /// The owner's seat and the viewers'.
    pub(crate) seats: BTreeMap<UserId, Seat>,
}

impl Stream {
    /// `guild:<guild>:<channel>:<owner>`.
    pub(crate) fn key(&self) -> String {
        format!("guild:{}:{}:{}", self.guild, self.channel, self.owner)
    }

    pub(crate) fn viewers(&self) -> Vec<UserId> {
        let users = self.seats.keys().copied();
        users.filter(|user| *user != self.owner).collect()
    }
}

/// What a voice connection that was let in takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamSeat {
    pub(crate) guild: GuildId,
    /// The voice channel that the stream is shown in.
    pub(crate) channel: ChannelId,
    /// Who streams; everybody else watches.
    pub(crate) owner: UserId,
    /// The id of the stream's DAVE group: `rtc_server_id` less one.
    pub(crate) dave_group: ChannelId,
}

/// A stream as tests see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamInfo {
    /// `guild:<guild>:<channel>:<owner>`.
    pub stream_key: String,
    /// `server_id` of voice op 0.
    pub rtc_server_id: u64,
    /// The guild.
    pub guild: GuildId,
    /// The voice channel that it is shown in.
    pub channel: ChannelId,
    /// Who streams.
    pub owner: UserId,
    /// Whether op 22 paused it.
    pub paused: bool,
    /// Who watches.
    pub viewers: Vec<UserId>,
}

/// All streams that are going on, by `rtc_server_id`.
#[derive(Default)]
pub(crate) struct Streams {
    by_id: BTreeMap<u64, Stream>,
    begun: u64,
}

impl Streams {
    /// Adds a stream and returns its `rtc_server_id`, which no other ever had.
    pub(crate) fn begin(&mut self, stream: Stream) -> u64 {
        let id = FIRST_RTC_SERVER + self.begun * IDS_OF_A_STREAM;
        self.begun += 1;
        self.by_id.insert(id, stream);
        id
    }

    pub(crate) fn get(&self, rtc_server_id: u64) -> Option<&Stream> {
        self.by_id.get(&rtc_server_id)
    }

    pub(crate) fn get_mut(&mut self, rtc_server_id: u64) -> Option<&mut Stream> {
        self.by_id.get_mut(&rtc_server_id)
    }

    pub(crate) fn remove(&mut self, rtc_server_id: u64) -> Option<Stream> {
        self.by_id.remove(&rtc_server_id)
    }

    /// Whether a voice IDENTIFY with this `server_id` means a stream, and no guild.
    pub(crate) fn has(&self, rtc_server_id: u64) -> bool {
        self.by_id.contains_key(&rtc_server_id)
    }

    /// The stream that has this key.
    pub(crate) fn by_key(&self, key: &str) -> Option<(u64, &Stream)> {
        self.iter().find(|(_, stream)| stream.key() == key)
    }

    /// What `user` streams in `guild`: at most one stream.
    pub(crate) fn of_owner(&self, guild: GuildId, user: UserId) -> Option<u64> {
        let mut streams = self.iter();
        let found = streams.find(|(_, stream)| stream.guild == guild && stream.owner == user);
        Some(found?.0)
    }

    /// Streams in `guild`, of one user or of all.
    pub(crate) fn in_guild(&self, guild: GuildId, owner: Option<UserId>) -> Vec<u64> {
        self.iter()
            .filter(|(_, stream)| stream.guild == guild)
            .filter(|(_, stream)| owner.is_none_or(|owner| owner == stream.owner))
            .map(|(id, _)| id)
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Stream)> {
        self.by_id.iter().map(|(id, stream)| (*id, stream))
    }

    /// Nobody connects with what the user was given any more.
    pub(crate) fn void(&mut self, rtc_server_id: u64, user: UserId) {
        let stream = self.by_id.get_mut(&rtc_server_id);
        if let Some(seat) = stream.and_then(|stream| stream.seats.get_mut(&user)) {
            seat.credentials = None;
        }
    }

    /// Checks what a voice client presents for a stream against what the main gateway handed out.
    pub(crate) fn admit(
        &self,
        rtc_server_id: u64,
        user: UserId,
        voice_session: &str,
        token: &str,
        listener: usize,
    ) -> Result<StreamSeat, Refusal> {
        let stream = self.get(rtc_server_id).ok_or(Refusal::Session)?;
        let seat = stream.seats.get(&user).ok_or(Refusal::Session)?;
        let credentials = seat.credentials.as_ref().ok_or(Refusal::Session)?;
        if seat.voice_session != voice_session || credentials.listener != listener {
            return Err(Refusal::Session);
        }
        if credentials.token != token {
            return Err(Refusal::Authentication);
        }
        Ok(StreamSeat {
            guild: stream.guild,
            channel: stream.channel,
            owner: stream.owner,
            dave_group: ChannelId(rtc_server_id - 1),
        })
    }

    /// The streams of a guild as tests see them.
    pub(crate) fn infos(&self, guild: GuildId) -> Vec<StreamInfo> {
        let streams = self.iter().filter(|(_, stream)| stream.guild == guild);
        let info = |(id, stream): (u64, &Stream)| StreamInfo {
            stream_key: stream.key(),
            rtc_server_id: id,
            guild: stream.guild,
            channel: stream.channel,
            owner: stream.owner,
            paused: stream.paused,
            viewers: stream.viewers(),
        };
        streams.map(info).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: UserId = UserId(7);
    const VIEWER: UserId = UserId(8);

    fn seat(token: &str) -> Seat {
        Seat {
            gateway_session: "g".into(),
            voice_session: "v".into(),
            credentials: Some(Credentials {
                token: token.into(),
                listener: 1,
            }),
        }
    }

    fn streams() -> (Streams, u64) {
        let mut streams = Streams::default();
        let id = streams.begin(Stream {
            guild: GuildId(1),
            channel: ChannelId(2),
            owner: OWNER,
            paused: false,
            seats: BTreeMap::from([(OWNER, seat("t")), (VIEWER, seat("u"))]),
        });
        (streams, id)
    }

    #[test]
    fn admits_only_what_was_handed_out() {
        let (mut streams, id) = streams();
        let admitted = StreamSeat {
            guild: GuildId(1),
            channel: ChannelId(2),
            owner: OWNER,
            dave_group: ChannelId(id - 1),
        };
        assert_eq!(streams.admit(id, OWNER, "v", "t", 1), Ok(admitted));
        assert_eq!(streams.admit(id, VIEWER, "v", "u", 1), Ok(admitted));
        let refused = [
            streams.admit(id + 1, OWNER, "v", "t", 1),
            streams.admit(id, UserId(9), "v", "t", 1),
            streams.admit(id, OWNER, "g", "t", 1),
            streams.admit(id, OWNER, "v", "t", 0),
        ];
        assert!(refused.iter().all(|one| *one == Err(Refusal::Session)));
        streams.void(id, VIEWER);
        assert_eq!(
            streams.admit(id, VIEWER, "v", "u", 1),
            Err(Refusal::Session)
        );
        // A viewer's token is not the owner's.
        let stolen = streams.admit(id, OWNER, "v", "u", 1);
        assert_eq!(stolen, Err(Refusal::Authentication));
    }

    #[test]
    fn streams_are_found_by_key_owner_and_guild() {
        let (mut streams, id) = streams();
        let key = "guild:1:2:7";
        assert_eq!(streams.by_key(key).map(|(id, _)| id), Some(id));
        assert_eq!(streams.of_owner(GuildId(1), OWNER), Some(id));
        assert_eq!(streams.of_owner(GuildId(1), VIEWER), None);
        assert_eq!(streams.in_guild(GuildId(1), None), [id]);
        assert!(streams.in_guild(GuildId(2), None).is_empty());
        let infos = streams.infos(GuildId(1));
        assert_eq!(infos[0].stream_key, key);
        assert_eq!(infos[0].viewers, [VIEWER]);
        assert!(streams.remove(id).is_some());
        assert!(!streams.has(id));
    }

    #[test]
    fn no_two_streams_share_an_id_or_a_group() {
        let (mut streams, first) = streams();
        let again = streams.remove(first).map(|stream| streams.begin(stream));
        assert!(again.is_some_and(|again| again > first + 1 && again - 1 > first + 1));
    }
}
