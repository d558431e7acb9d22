//! All WebRTC connections of the voice server: which datagram belongs to whom, and which links lie between.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::crypto::{self, CryptoProvider};
use str0m::ice::StunMessage;

use crate::early_media::EarlyMedia;
use crate::in_flight::InFlight;
use crate::link::{Link, LinkDirection, LinkShape};
use crate::picture_watch::PictureWatch;
use crate::webrtc_peer::Peer;
use crate::{GuildId, UserId};

/// The magic cookie of STUN (RFC 8489, section 5), and where it stands.
const STUN_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// One connection's media.
pub(crate) struct MediaPath {
    pub(crate) peer: Peer,
    pub(crate) up: Option<Link>,
    pub(crate) down: Option<Link>,
    pub(crate) watch: PictureWatch,
    pub(crate) early: EarlyMedia,
}

/// A fault that lies on all connections of its kind, also on later ones.
pub(crate) struct LinkRule {
    pub(crate) guild: GuildId,
    pub(crate) user: Option<UserId>,
    pub(crate) direction: LinkDirection,
    pub(crate) shape: LinkShape,
    pub(crate) seed: u64,
}

impl LinkRule {
    pub(crate) fn fits(&self, guild: GuildId, user: UserId) -> bool {
        self.guild == guild && self.user.is_none_or(|only| only == user)
    }

    fn is_instead_of(&self, older: &Self) -> bool {
        let whom = |rule: &Self| (rule.guild, rule.direction);
        whom(self) == whom(older) && (self.user.is_none() || self.user == older.user)
    }
}

pub(crate) struct WebRtcPeers {
    pub(crate) crypto: Arc<CryptoProvider>,
    paths: BTreeMap<u32, MediaPath>,
    by_address: BTreeMap<SocketAddr, u32>,
    pub(crate) in_flight: InFlight,
    rules: Vec<LinkRule>,
}

impl WebRtcPeers {
    pub(crate) fn new() -> Self {
        Self {
            // Handed to each connection, so that no default of the process is touched.
            crypto: Arc::new(crypto::from_feature_flags()),
            paths: BTreeMap::new(),
            by_address: BTreeMap::new(),
            in_flight: InFlight::default(),
            rules: Vec::new(),
        }
    }

    /// A connection has a media path, in the place of any that it had.
    pub(crate) fn insert(&mut self, guild: GuildId, user: UserId, peer: Peer, watch: PictureWatch) {
        let ssrc = peer.ssrcs().sound;
        self.remove(ssrc);
        let link = |direction| {
            let mut rules = self.rules.iter().rev();
            let rule = rules.find(|rule| rule.direction == direction && rule.fits(guild, user));
            rule.map(|rule| Link::new(rule.shape, rule.seed))
        };
        let path = MediaPath {
            up: link(LinkDirection::Up),
            down: link(LinkDirection::Down),
            peer,
            watch,
            early: EarlyMedia::default(),
        };
        self.paths.insert(ssrc, path);
    }

    pub(crate) fn remove(&mut self, ssrc: u32) {
        self.paths.remove(&ssrc);
        self.by_address.retain(|_, owner| *owner != ssrc);
    }

    pub(crate) fn get_mut(&mut self, ssrc: u32) -> Option<&mut MediaPath> {
        self.paths.get_mut(&ssrc)
    }

    /// All connections with a media path.
    pub(crate) fn ssrcs(&self) -> Vec<u32> {
        self.paths.keys().copied().collect()
    }

    /// Whose datagram this is: by the name in a STUN request, which the client's address is known from then on, else
    /// by that address.
    pub(crate) fn owner(&mut self, source: SocketAddr, bytes: &[u8]) -> Option<u32> {
        if bytes.get(4..8) == Some(&STUN_COOKIE)
            && bytes[0] < 2
            && let Ok(message) = StunMessage::parse(bytes)
            && let Some((ufrag, _)) = message.split_username()
        {
            let named = self.paths.iter().find(|(_, one)| one.peer.ufrag() == ufrag);
            let ssrc = *named?.0;
            self.by_address.insert(source, ssrc);
            return Some(ssrc);
        }
        self.by_address.get(&source).copied()
    }

    /// Those whose time has come.
    pub(crate) fn due(&self, now: Instant) -> Vec<u32> {
        let due = |path: &&MediaPath| path.due() <= now;
        let paths = self.paths.iter().filter(|(_, path)| due(path));
        paths.map(|(ssrc, _)| *ssrc).collect()
    }

    /// When something is due next.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let paths = self.paths.values().map(MediaPath::due);
        paths.chain(self.in_flight.due()).min()
    }

    /// Keeps the rule for later connections.
    pub(crate) fn add_rule(&mut self, rule: LinkRule) {
        self.rules.retain(|older| !rule.is_instead_of(older));
        self.rules.push(rule);
    }

    /// Lays the link between a connection and the server, or changes the one that there is.
    pub(crate) fn lay(&mut self, ssrc: u32, rule: &LinkRule, now: Instant) -> bool {
        let Some(path) = self.paths.get_mut(&ssrc) else {
            return false;
        };
        let link = match rule.direction {
            LinkDirection::Up => &mut path.up,
            LinkDirection::Down => &mut path.down,
        };
        match link {
            Some(link) => link.reshape(rule.shape, now),
            None => *link = Some(Link::new(rule.shape, rule.seed)),
        }
        true
    }
}

impl MediaPath {
    fn due(&self) -> Instant {
        let others = self.watch.due().into_iter().chain(self.early.due());
        others.fold(self.peer.wake(), Instant::min)
    }
}
