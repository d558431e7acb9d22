//! Messages as a WebSocket brings them, mostly binary, to one connection's end-to-end encryption.
//!
//! Each chunk: how often again (one byte), length (two), the message. One that begins with a brace is JSON.

use orb_voice::wire::{Numbered, ServerMessage};

use super::{input::Input, watched::WatchedDave};

/// Of the recorded conversation in `seeds/`.
const USER: u64 = 72;
const CHANNEL: u64 = 71;

/// Messages that one input comes to at most: it shall take milliseconds.
const MOST_MESSAGES: u16 = 1000;

/// Returns how many messages were understood.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input::new(data);
    let mut dave = WatchedDave::new(USER, CHANNEL);
    dave.begin(1);
    let mut left = MOST_MESSAGES;
    let mut understood = 0;
    while !input.is_empty() && left > 0 {
        let times = (u16::from(input.byte()) + 1).min(left);
        left -= times;
        let message = input.piece();
        for _ in 0..times {
            understood += usize::from(take(&mut dave, message));
        }
    }
    understood
}

/// Whether it is a message of the protocol.
fn take(dave: &mut WatchedDave, message: &[u8]) -> bool {
    let read = match std::str::from_utf8(message) {
        Ok(text) if text.starts_with('{') => Numbered::from_text(text),
        _ => Numbered::from_binary(message),
    };
    let Ok(read) = read else { return false };
    match read.message {
        ServerMessage::Dave(message) => {
            dave.handle(message);
        }
        ServerMessage::SessionDescription { dave_version, .. } => {
            dave.begin(dave_version);
        }
        ServerMessage::ClientsConnect(users) => dave.joined(&users),
        ServerMessage::ClientDisconnect(user) => dave.left(user),
        _ => return false,
    }
    true
}
