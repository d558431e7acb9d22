//! Faults of Go Live streams: those that wait for something to happen, and those that happen at once.

use crate::stream_events::StreamDeleteReason;
use crate::world::State;
use crate::{Error, Fault};

/// Faults of streams that wait for something to happen.
#[derive(Default)]
pub(crate) struct PendingStreamFaults {
    refusal: Option<(u32, StreamDeleteReason)>,
    lost_servers: u32,
}

impl PendingStreamFaults {
    pub(crate) fn refuse(&mut self, times: u32, reason: StreamDeleteReason) {
        self.refusal = Some((times, reason));
    }

    pub(crate) fn lose_servers(&mut self, times: u32) {
        self.lost_servers = times;
    }

    pub(crate) fn refused(&mut self) -> Option<StreamDeleteReason> {
        let (left, reason) = self.refusal.as_mut()?;
        *left = left.checked_sub(1)?;
        Some(*reason)
    }

    pub(crate) fn loses_server(&mut self) -> bool {
        let left = self.lost_servers.checked_sub(1);
        self.lost_servers = left.unwrap_or(0);
        left.is_some()
    }
}

impl State {
    /// Applies a fault of streams and says how many it hit; none where the fault is another.
    pub(crate) fn hit_streams(&mut self, fault: &Fault) -> Result<usize, Error> {
        let (guild, user) = match fault {
            Fault::RefuseStream { times, reason } => {
                self.faults.streams.refuse(*times, *reason);
                return Ok(0);
            }
            Fault::LoseStreamServerUpdate { times } => {
                self.faults.streams.lose_servers(*times);
                return Ok(0);
            }
            Fault::EndStream { guild, user, .. }
            | Fault::LoseStreamServer { guild, user }
            | Fault::MoveStreamServer { guild, user, .. } => (*guild, *user),
            _ => return Ok(0),
        };
        if let Fault::MoveStreamServer { listener, .. } = fault {
            self.check_listener(*listener)?;
        }
        let streams = self.streams.in_guild(guild, user);
        for &stream in &streams {
            match fault {
                Fault::EndStream { reason, .. } => self.end_stream(stream, *reason),
                Fault::MoveStreamServer {
                    listener, close, ..
                } => self.move_stream_server(stream, *listener, *close),
                _ => self.lose_stream_server(stream),
            }
        }
        Ok(streams.len())
    }
}
