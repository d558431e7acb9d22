//! A UDP socket that tells when the kernel got a datagram.
//!
//! A thread that looks at the clock after it has received finds out when it was given a processor: with dozens of
//! ffmpegs beside it that is milliseconds later, and the lateness of the instrument would be taken for the sender's.
//! The kernel's stamp (`SO_TIMESTAMPNS`, socket(7)) does not wait for any thread. It turns stamping on in the background
//! when the first socket of the system asks for it (`netstamp_work` in net/core/dev.c): what comes within the first
//! milliseconds may bear the time at which it was read.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
    sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;

/// A datagram that waited for longer says that somebody has set the wall clock, which the kernel stamps by. No thread is
/// kept from a processor for so long: at one second, the first of a second's datagrams came out after the last.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Two clocks that are read one after the other within this are read at the same time.
const SAME_TIME: Duration = Duration::from_micros(20);

/// Tries to read them so; a thread that is interrupted each time has worse troubles.
const TRIES: usize = 4;

pub(crate) struct StampedSocket {
    socket: UdpSocket,
    /// For what comes with a datagram.
    control: Vec<u8>,
}

/// What was received.
pub(crate) struct Stamped {
    pub(crate) at: Instant,
    pub(crate) source: SocketAddr,
    pub(crate) length: usize,
}

impl StampedSocket {
    pub(crate) fn new(socket: UdpSocket) -> Self {
        if let Err(error) = setsockopt(&socket, ReceiveTimestampns, &true) {
            tracing::warn!(%error, "arrivals are stamped by a thread: this system's kernel does not");
        }
        Self {
            socket,
            control: nix::cmsg_space!(TimeSpec),
        }
    }

    /// Waits for a datagram, for as long as the socket's time-out says.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Stamped> {
        let mut slices = [IoSliceMut::new(buffer)];
        let received = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut self.control),
            MsgFlags::empty(),
        )?;
        let stamp = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        let source = received.address.as_ref().and_then(address);
        Ok(Stamped {
            at: stamp.map_or_else(Instant::now, |stamp| moment(SystemTime::UNIX_EPOCH + stamp)),
            source: source.ok_or(io::ErrorKind::AddrNotAvailable)?,
            length: received.bytes,
        })
    }
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| Some(SocketAddrV6::from(*address.as_sockaddr_in6()?).into()))
}

/// The same time on the other clock.
fn moment(stamp: SystemTime) -> Instant {
    let mut tries = TRIES;
    loop {
        let before = Instant::now();
        let age = SystemTime::now().duration_since(stamp).unwrap_or_default();
        let now = Instant::now();
        tries -= 1;
        // An interruption between the two makes a packet later, never earlier than it was.
        if now - before <= SAME_TIME || tries == 0 {
            let at = now.checked_sub(age).filter(|_| age <= LONGEST_WAIT);
            return at.unwrap_or(now);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_datagram_that_waited_came_when_it_came() {
        const UNREAD: Duration = Duration::from_millis(200);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let mut stamped = StampedSocket::new(socket);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut buffer = [0; 8];
        let mut after = |unread: Duration, length: usize| {
            let before = Instant::now();
            sender.send_to(&[7; 8][..length], to).unwrap();
            let sent = Instant::now();
            std::thread::sleep(unread);
            (before, sent, stamped.receive(&mut buffer).unwrap())
        };
        let stamps = (0..100).any(|_| {
            let unread = Duration::from_millis(5);
            let (_, sent, received) = after(unread, 1);
            received.at < sent + unread / 2
        });
        assert!(stamps, "the kernel never turned stamping on");
        for length in 1..4 {
            let (before, sent, received) = after(UNREAD, length);
            assert_eq!(received.length, length);
            assert_eq!(received.source, sender.local_addr().unwrap());
            // The clocks differ by the time between two looks at them.
            assert!(
                received.at + SAME_TIME >= before,
                "it came before it was sent"
            );
            assert!(received.at < sent + UNREAD / 2, "it came when it was read");
        }
    }

    #[test]
    fn what_waited_for_seconds_keeps_its_place() {
        let read = SystemTime::now();
        let came = [3_000, 1_020, 1_000, 980, 0].map(|ms| read - Duration::from_millis(ms));
        let at = came.map(moment);
        assert!(at.is_sorted(), "{at:?}");
        assert!(at[0].elapsed() >= Duration::from_secs(3));
    }

    #[test]
    fn a_wall_clock_that_was_set_moves_no_arrival() {
        for stamp in [
            SystemTime::UNIX_EPOCH,
            SystemTime::now() + Duration::from_hours(1),
        ] {
            let before = Instant::now();
            let at = moment(stamp);
            assert!((before..=Instant::now()).contains(&at));
        }
    }
}
