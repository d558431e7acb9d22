//! Which process a socket belongs to, from `/proc`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use super::lock;
use crate::place::Life;

/// The processes that run, by pid.
#[derive(Default)]
pub struct Owners {
    living: Mutex<BTreeMap<u32, Life>>,
}

/// Which table of the kernel.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Owners {
    /// A process has begun.
    pub fn began(&self, pid: u32, life: Life) {
        lock(&self.living).insert(pid, life);
    }

    /// It is gone.
    pub fn ended(&self, pid: u32) {
        lock(&self.living).remove(&pid);
    }

    /// Whose socket it is that calls `server` from `client`. `None`: it is closed by now, or of no process of ours.
    pub(super) fn of_socket(
        &self,
        protocol: Protocol,
        client: SocketAddr,
        server: SocketAddr,
    ) -> Option<Life> {
        let table = match protocol {
            Protocol::Tcp => std::fs::read_to_string("/proc/net/tcp").ok()?,
            Protocol::Udp => std::fs::read_to_string("/proc/net/udp").ok()?,
        };
        let inode = table.lines().find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let &[_, local, remote, _, _, _, _, _, _, inode, ..] = columns.as_slice() else {
                return None;
            };
            let matches = match protocol {
                Protocol::Tcp => port(local)? == client.port() && port(remote)? == server.port(),
                // It may be bound to no address and connected to nobody.
                Protocol::Udp => port(local)? == client.port(),
            };
            (matches && inode != "0").then(|| format!("socket:[{inode}]"))
        })?;
        let living = lock(&self.living).clone();
        living
            .into_iter()
            .find(|(pid, _)| has_open(*pid, &inode))
            .map(|(_, life)| life)
    }
}

/// `0100007F:1F90`.
fn port(address: &str) -> Option<u16> {
    let (_, port) = address.split_once(':')?;
    u16::from_str_radix(port, 16).ok()
}

fn has_open(pid: u32, file: &str) -> bool {
    let folder = Path::new("/proc").join(pid.to_string()).join("fd");
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::place::{Kind, Place};

    #[test]
    fn a_socket_is_found_in_its_process() {
        let place = Place {
            kind: Kind::Worker,
            index: 1,
        };
        let me = Life { place, number: 3 };
        let owners = Owners::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        let from = client.local_addr().unwrap();
        assert_eq!(
            owners.of_socket(Protocol::Tcp, from, server),
            None,
            "of no process of ours"
        );
        owners.began(std::process::id(), me);
        assert_eq!(owners.of_socket(Protocol::Tcp, from, server), Some(me));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = socket.local_addr().unwrap();
        assert_eq!(owners.of_socket(Protocol::Udp, from, server), Some(me));
        drop(socket);
        assert_eq!(owners.of_socket(Protocol::Udp, from, server), None);
    }
}
