//! The voice server's UDP port: IP discovery, keepalives, RTP.
//!
//! Two threads of their own. The first only takes packets off the socket, with the times at which they
//! came (see [`StampedSocket`]), so that none is dropped there; the second decrypts and records.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::heard::{Arrival, Missed};
use crate::record::RecordEvent;
use crate::rtp::{self, RtpHeader};
use crate::sfu::{Opened, Outgoing};
use crate::stamped_socket::StampedSocket;
use crate::world::{State, World};

/// Packets between the threads: seconds of a hundred streams. Overflow is logged and lost.
const QUEUE: usize = 16_384;

/// Receive buffer that the kernel is asked for, in bytes. Hundreds of streams that send at the
/// same tick would not fit into the default, and what the kernel drops would look like a client's
/// loss.
const KERNEL_BUFFER: usize = 4 << 20;

/// How often the receiving thread looks whether it should stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// How long the second thread sleeps at most while nothing comes: what a fault asks for, such as a key frame, waits no
/// longer.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// IP discovery: type, length, SSRC, address, port (Discord, "Voice: IP discovery").
const DISCOVERY_LEN: usize = 74;

struct Datagram {
    at: Instant,
    source: SocketAddr,
    bytes: Vec<u8>,
}

/// Starts both threads. They end when the simulator is cancelled.
pub(crate) fn start(socket: UdpSocket, world: &Arc<World>) -> io::Result<[JoinHandle<()>; 2]> {
    socket.set_read_timeout(Some(STOP_CHECK))?;
    // The kernel gives less without a word where `net.core.rmem_max` says so.
    SockRef::from(&socket).set_recv_buffer_size(KERNEL_BUFFER)?;
    let replies = socket.try_clone()?;
    let (sender, receiver) = sync_channel(QUEUE);
    let cancel = world.context.cancel.clone();
    let mut socket = StampedSocket::new(socket);
    let take = std::thread::Builder::new()
        .name("discord-sim-udp".to_owned())
        .spawn(move || {
            while !cancel.is_cancelled() {
                receive(&mut socket, &sender);
            }
        })?;
    let world = Arc::clone(world);
    let hear = std::thread::Builder::new()
        .name("discord-sim-hear".to_owned())
        .spawn(move || hear(&receiver, &replies, &world))?;
    Ok([take, hear])
}

fn receive(socket: &mut StampedSocket, sender: &SyncSender<Datagram>) {
    let mut buffer = [0; 2048];
    // Time-outs, and errors of earlier replies (ICMP) that the kernel reports here, mean nothing.
    let Ok(received) = socket.receive(&mut buffer) else {
        return;
    };
    let datagram = Datagram {
        at: received.at,
        source: received.source,
        bytes: buffer[..received.length].to_vec(),
    };
    if let Err(TrySendError::Full(_)) = sender.try_send(datagram) {
        tracing::warn!("packet lost inside the simulator: it cannot keep up");
    }
}

/// Runs until the receiving thread, and with it the sending half, is gone.
fn hear(receiver: &Receiver<Datagram>, replies: &UdpSocket, world: &World) {
    let mut wait = LONGEST_WAIT;
    loop {
        let datagram = match receiver.recv_timeout(wait) {
            Ok(datagram) => Some(datagram),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let outgoing = {
            let mut state = world.state();
            let mut outgoing = datagram.map_or_else(Vec::new, |one| state.datagram(&one));
            let now = Instant::now();
            outgoing.extend(state.webrtc_due(now));
            let wake = state.webrtc.wake();
            wait = wake.map_or(LONGEST_WAIT, |at| at.saturating_duration_since(now));
            wait = wait.min(LONGEST_WAIT);
            outgoing
        };
        for (to, bytes) in outgoing {
            if let Err(error) = replies.send_to(&bytes, to) {
                tracing::debug!(%error, %to, "udp send failed");
            }
        }
    }
}

impl State {
    /// Takes one datagram; returns what is to be sent because of it.
    fn datagram(&mut self, datagram: &Datagram) -> Vec<Outgoing> {
        let bytes = datagram.bytes.as_slice();
        if bytes.len() == DISCOVERY_LEN && bytes[..4] == [0, 1, 0, 70] {
            let reply = self.discover(datagram);
            return reply
                .map(|reply| (datagram.source, reply))
                .into_iter()
                .collect();
        }
        if self.context.udp_order.takes(datagram.source, bytes) {
            return Vec::new();
        }
        if let Ok(keepalive) = <[u8; 8]>::try_from(bytes) {
            self.keepalive(datagram.source);
            return vec![(datagram.source, keepalive.to_vec())];
        }
        if let Some(ssrc) = self.webrtc.owner(datagram.source, bytes) {
            return self.webrtc_datagram(ssrc, datagram.at, datagram.source, bytes);
        }
        // Sender reports carry nothing that is measured here.
        if rtp::is_rtcp(bytes) {
            return Vec::new();
        }
        self.rtp(datagram).unwrap_or_default()
    }

    /// Answers with the address that the request came from.
    fn discover(&mut self, datagram: &Datagram) -> Option<Vec<u8>> {
        let mut reply = datagram.bytes.clone();
        let ssrc = u32::from_be_bytes(*reply.get(4..)?.first_chunk()?);
        let Some(connection) = self.connections.get_mut(ssrc) else {
            self.refuse(datagram, Some(ssrc), "ip discovery for an unknown ssrc");
            return None;
        };
        connection.udp = Some(datagram.source);
        let answered = !self.faults.voice.loses_discovery();
        let event = RecordEvent::IpDiscovery {
            connection: u64::from(ssrc),
            answered,
        };
        let user = Some(connection.user);
        self.context.record.add(Some(datagram.source), user, event);
        if !answered {
            return None;
        }
        reply[1] = 2;
        reply[8..].fill(0);
        let address = datagram.source.ip().to_string();
        reply[8..8 + address.len()].copy_from_slice(address.as_bytes());
        reply[72..].copy_from_slice(&datagram.source.port().to_be_bytes());
        Some(reply)
    }

    fn keepalive(&mut self, source: SocketAddr) {
        let from = self
            .connections
            .iter()
            .find(|connection| connection.udp == Some(source))
            .map(|connection| connection.ssrc);
        if let Some(ssrc) = from {
            self.context.heard.missed(ssrc, Missed::Keepalive);
        }
    }

    /// The listening member hears the packet, and everybody else in the call is sent it. `None`: it
    /// is refused or lost.
    fn rtp(&mut self, datagram: &Datagram) -> Option<Vec<Outgoing>> {
        let Some(header) = RtpHeader::parse(&datagram.bytes) else {
            self.refuse(datagram, None, "neither rtp nor anything else known");
            return None;
        };
        let ssrc = header.ssrc;
        let Some(connection) = self.connections.get_mut(ssrc) else {
            // Also what is left on the way of a connection that has ended.
            self.refuse(datagram, Some(ssrc), "unknown ssrc");
            return None;
        };
        if connection.silenced {
            self.refuse(datagram, Some(ssrc), "displaced connection");
            return None;
        }
        let opened = connection
            .cipher
            .as_ref()
            .and_then(|cipher| cipher.open(&datagram.bytes, header.clear));
        let Some(opened) = opened else {
            self.refuse(datagram, Some(ssrc), "not sealed with the connection's key");
            return None;
        };
        let Some(payload) = header.payload(&opened) else {
            self.refuse(datagram, Some(ssrc), "malformed rtp payload");
            return None;
        };
        connection.udp = Some(datagram.source);
        let (guild, channel, user) = (connection.guild, connection.channel, connection.user);
        if self.faults.loses_packet(guild) {
            self.context.heard.missed(ssrc, Missed::Lost);
            return None;
        }
        let call = self.calls.get_mut(&(guild, channel))?;
        let hearing = call.hear(user, payload, datagram.at);
        let arrival = Arrival {
            at: datagram.at,
            sequence: header.sequence,
            timestamp: header.timestamp,
            hearing,
        };
        self.context.heard.packet(ssrc, arrival);
        let packet = Opened {
            header: datagram.bytes.get(..header.clear)?,
            body: &opened,
            payload,
        };
        Some(self.forward((guild, channel), user, &packet))
    }

    /// Counts a refused packet; the first one from a source for a reason is recorded.
    fn refuse(&mut self, datagram: &Datagram, ssrc: Option<u32>, reason: &'static str) {
        if let Some(ssrc) = ssrc {
            self.context.heard.missed(ssrc, Missed::Refused);
        }
        if self.faults.first_refusal(datagram.source, reason) {
            let event = RecordEvent::PacketRefused {
                ssrc,
                reason: reason.to_owned(),
            };
            self.context.record.add(Some(datagram.source), None, event);
        }
    }
}
