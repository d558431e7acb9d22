//! Where what was seen is kept: pictures' bytes for seconds, all else for minutes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::GuildId;
use crate::clock::SimClock;
use crate::heard::ConnectionInfo;
use crate::seen::{
    QueueWait, Seen, SeenConnection, SeenCounters, SeenPicture, SenderReport, VideoAnnouncement,
};

/// Pictures a second that are kept at most: twice what is ever shown.
const MOST_PICTURES: usize = 120;
/// Entries of each other kind a second that are kept at most: twice the packets of the fastest rung.
const MOST_OTHERS: usize = 1500;

pub(crate) struct SeenStore {
    clock: SimClock,
    window: Duration,
    bytes_window: Duration,
    by_ssrc: Mutex<BTreeMap<u32, Stored>>,
}

/// One connection.
pub(crate) struct Stored {
    info: ConnectionInfo,
    closed_at: Option<Instant>,
    pub(crate) counters: SeenCounters,
    pictures: VecDeque<SeenPicture>,
    /// How many of these, from the front, have no bytes any more.
    stripped: usize,
    reports: VecDeque<SenderReport>,
    announced: VecDeque<VideoAnnouncement>,
    queue: VecDeque<QueueWait>,
    window: Duration,
    bytes_window: Duration,
}

impl SeenStore {
    pub(crate) fn new(clock: SimClock, window: Duration, bytes_window: Duration) -> Self {
        Self {
            clock,
            window,
            bytes_window,
            by_ssrc: Mutex::default(),
        }
    }

    /// A connection may show pictures from now on.
    pub(crate) fn open(&self, info: ConnectionInfo) {
        let mut by_ssrc = self.lock();
        // What nobody can ask for any more goes when something new comes.
        let now = info.opened_at;
        by_ssrc.retain(|_, old| {
            old.closed_at
                .is_none_or(|at| now.saturating_duration_since(at) < self.window)
        });
        by_ssrc.insert(info.ssrc, Stored::new(info, self.window, self.bytes_window));
    }

    pub(crate) fn close(&self, ssrc: u32, at: Instant) {
        self.with(ssrc, |stored| stored.closed_at = Some(at));
    }

    /// Writes something down about a connection, if it may show pictures.
    pub(crate) fn with<T>(&self, ssrc: u32, write: impl FnOnce(&mut Stored) -> T) -> Option<T> {
        self.lock().get_mut(&ssrc).map(write)
    }

    pub(crate) fn clock(&self) -> SimClock {
        self.clock
    }

    /// A copy of what was seen in `guild` from `since` on.
    pub(crate) fn snapshot(&self, guild: GuildId, since: Option<Instant>) -> Seen {
        let connections = self
            .lock()
            .values()
            .filter(|stored| stored.info.guild == guild)
            .map(|stored| stored.snapshot(since))
            .collect();
        Seen {
            connections,
            clock: self.clock,
            taken_at: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Stored>> {
        self.by_ssrc.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn new(info: ConnectionInfo, window: Duration, bytes_window: Duration) -> Self {
        Self {
            info,
            closed_at: None,
            counters: SeenCounters::default(),
            pictures: VecDeque::new(),
            stripped: 0,
            reports: VecDeque::new(),
            announced: VecDeque::new(),
            queue: VecDeque::new(),
            window,
            bytes_window,
        }
    }

    pub(crate) fn picture(&mut self, picture: SeenPicture) {
        let counters = &mut self.counters;
        counters.pictures += 1;
        counters.idr += u64::from(picture.idr);
        counters.decodable += u64::from(picture.decodable);
        counters.undecryptable += u64::from(!picture.decrypted);
        counters.in_the_clear += u64::from(picture.in_the_clear);
        counters.in_the_clear_downgraded += u64::from(picture.in_the_clear && picture.downgraded);
        let now = picture.at;
        while let Some(oldest) = self.pictures.get_mut(self.stripped)
            && now.saturating_duration_since(oldest.at) > self.bytes_window
        {
            oldest.data = None;
            self.stripped += 1;
        }
        let before = self.pictures.len();
        let most = room(MOST_PICTURES, self.window);
        keep(&mut self.pictures, picture, most, self.window, |one| one.at);
        self.stripped = self
            .stripped
            .saturating_sub(before + 1 - self.pictures.len());
        // Far more bytes than any rung sends would be a flood.
        let most = room(MOST_PICTURES, self.bytes_window);
        if self.pictures.len() - self.stripped > most {
            self.pictures[self.stripped].data = None;
            self.stripped += 1;
        }
    }

    pub(crate) fn report(&mut self, report: SenderReport) {
        let most = room(MOST_OTHERS, self.window);
        keep(&mut self.reports, report, most, self.window, |one| one.at);
    }

    pub(crate) fn announce(&mut self, announcement: VideoAnnouncement) {
        let most = room(MOST_OTHERS, self.window);
        keep(
            &mut self.announced,
            announcement,
            most,
            self.window,
            |one| one.at,
        );
    }

    pub(crate) fn queue(&mut self, wait: QueueWait) {
        let most = room(MOST_OTHERS, self.window);
        keep(&mut self.queue, wait, most, self.window, |one| one.at);
    }

    fn snapshot(&self, since: Option<Instant>) -> SeenConnection {
        let after = |at: Instant| since.is_none_or(|since| at >= since);
        SeenConnection {
            info: self.info.clone(),
            closed_at: self.closed_at,
            counters: self.counters,
            pictures: self
                .pictures
                .iter()
                .filter(|one| after(one.at))
                .cloned()
                .collect(),
            // An old report still tells what a new RTP time means.
            reports: self.reports.iter().copied().collect(),
            announced: self
                .announced
                .iter()
                .copied()
                .filter(|one| after(one.at))
                .collect(),
            queue: self
                .queue
                .iter()
                .copied()
                .filter(|one| after(one.at))
                .collect(),
        }
    }
}

fn room(a_second: usize, window: Duration) -> usize {
    let seconds = usize::try_from(window.as_secs()).unwrap_or(usize::MAX);
    a_second.saturating_mul(seconds.saturating_add(1))
}

/// Keeps one more; what is too old or too much goes.
fn keep<T>(
    kept: &mut VecDeque<T>,
    one: T,
    most: usize,
    window: Duration,
    at: impl Fn(&T) -> Instant,
) {
    let now = at(&one);
    let old = |one: &T| now.saturating_duration_since(at(one)) > window;
    while kept.len() >= most || kept.front().is_some_and(old) {
        if kept.pop_front().is_none() {
            break;
        }
    }
    kept.push_back(one);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::sockets::loopback;
    use crate::{ChannelId, UserId};

    const GUILD: GuildId = GuildId(1);

    pub(crate) fn info(opened_at: Instant) -> ConnectionInfo {
        ConnectionInfo {
            ssrc: 5,
            guild: GUILD,
            channel: ChannelId(2),
            user: UserId(3),
            source: loopback(4),
            dave: true,
            stream: Some(9),
            opened_at,
        }
    }

    fn picture(at: Instant) -> SeenPicture {
        SeenPicture {
            first_at: at,
            at,
            unix_ns: 0,
            rtp_time: 0,
            data: Some(Bytes::from_static(b"picture")),
            bytes: 7,
            packets: 1,
            retransmitted: 0,
            idr: false,
            dave_encrypted: true,
            decrypted: true,
            decodable: true,
            in_the_clear: false,
            downgraded: false,
        }
    }

    #[test]
    fn bytes_go_before_the_rest_does() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let store = SeenStore::new(SimClock::start(), 20 * second, 5 * second);
        store.open(info(start));
        for n in 0..100 {
            store.with(5, |stored| stored.picture(picture(start + n * second)));
        }
        let seen = store.snapshot(GUILD, None);
        assert_eq!(seen.totals().pictures, 100);
        let pictures: Vec<_> = seen.pictures().collect();
        assert_eq!(pictures.len(), 21);
        let with_bytes = pictures.iter().filter(|one| one.data.is_some());
        assert_eq!(with_bytes.count(), 6);
        assert!(pictures[15..].iter().all(|one| one.data.is_some()));
        let since = store.snapshot(GUILD, Some(start + 95 * second));
        assert_eq!(since.pictures().count(), 5);
        assert!(store.snapshot(GuildId(2), None).connections.is_empty());
    }

    #[test]
    fn a_flood_does_not_fill_the_memory() {
        let start = Instant::now();
        let store = SeenStore::new(
            SimClock::start(),
            Duration::from_secs(9),
            Duration::from_secs(1),
        );
        store.open(info(start));
        for _ in 0..5000 {
            store.with(5, |stored| stored.picture(picture(start)));
        }
        let seen = store.snapshot(GUILD, None);
        assert_eq!(seen.pictures().count(), 1200);
        let with_bytes = seen.pictures().filter(|one| one.data.is_some());
        assert_eq!(with_bytes.count(), 240);
    }

    #[test]
    fn who_shows_nothing_has_no_entry() {
        let start = Instant::now();
        let window = Duration::from_secs(9);
        let store = SeenStore::new(SimClock::start(), window, window);
        assert!(store.with(5, |_| ()).is_none());
        store.open(info(start));
        store.close(5, start);
        store.open(ConnectionInfo {
            ssrc: 6,
            ..info(start + 2 * window)
        });
        assert_eq!(store.snapshot(GUILD, None).connections.len(), 1);
    }
}
