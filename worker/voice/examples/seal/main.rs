//! The driver's end-to-end encryption by itself, for whoever wants to hold it against another implementation.
//!
//! Each line of the input is a command, and each is answered by one line. Messages of the voice gateway go in as they come
//! from the server, and those that the driver would send come out; frames go in as a source has them and come out sealed:
//!
//! ```text
//! {"do": "start", "user": "1", "group": "2"}
//! {"do": "begin", "version": 1}                               a session description came
//! {"do": "joined", "users": ["3"]}                            {"do": "left", "user": "3"}
//! {"do": "text", "message": {"op": 22, "d": …}}               {"do": "binary", "message": "0001 19 …"}
//! {"do": "seal", "media": "picture", "frame": "00000001…"}    {"do": "open", "media": "sound", "user": "3", "frame": "…"}
//! ```
//!
//! Bytes are hexadecimal digits. An answer is `{"messages": […], "may_send": true, "frame": "…" or null}`; a message is an
//! object, or the digits of a binary one. tests/python/voice judges by it.

use std::error::Error;
use std::io::{BufRead, stdin};

use orb_voice::wire::{ClientMessage, Encoded, Numbered, ServerMessage};
use orb_voice::{Dave, OnDowngrade, Sealed, VoiceServer};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Command {
    Start {
        user: String,
        group: String,
    },
    Begin {
        version: u16,
    },
    Joined {
        users: Vec<String>,
    },
    Left {
        user: String,
    },
    Text {
        message: Value,
    },
    Binary {
        message: String,
    },
    Seal {
        media: Media,
        frame: String,
    },
    Open {
        media: Media,
        user: String,
        frame: String,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Media {
    Sound,
    Picture,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut dave = None;
    for line in stdin().lock().lines() {
        let command = serde_json::from_str(&line?)?;
        if let Command::Start { user, group } = command {
            dave = Some(Dave::new(user.parse()?, group.parse()?, OnDowngrade::Hold));
            println!("{}", json!({}));
            continue;
        }
        let dave = dave.as_mut().ok_or("the first command is start")?;
        println!("{}", obey(dave, command)?);
    }
    Ok(())
}

fn obey(dave: &mut Dave, command: Command) -> Result<Value, Box<dyn Error>> {
    let mut messages = Vec::new();
    let mut frame = None;
    match command {
        Command::Start { .. } => {}
        Command::Begin { version } => messages = dave.begin(version),
        Command::Joined { users } => {
            let users: Result<Vec<u64>, _> = users.iter().map(|user| user.parse()).collect();
            dave.joined(&users?);
        }
        Command::Left { user } => dave.left(user.parse()?),
        Command::Text { message } => {
            messages = take(dave, Numbered::from_text(&message.to_string())?);
        }
        Command::Binary { message } => {
            messages = take(dave, Numbered::from_binary(&hex::decode(&message)?)?);
        }
        Command::Seal {
            media,
            frame: clear,
        } => {
            let (clear, mut out) = (hex::decode(&clear)?, Vec::new());
            let sealed = match media {
                Media::Sound => dave.seal_opus(&clear, &mut out),
                Media::Picture => dave.seal_picture(&clear, &mut out),
            };
            frame = (sealed == Sealed::Ready).then_some(out);
        }
        Command::Open {
            media,
            user,
            frame: sealed,
        } => {
            let (user, sealed) = (user.parse()?, hex::decode(&sealed)?);
            frame = match media {
                Media::Sound => dave.open_opus(user, &sealed),
                Media::Picture => dave.open_picture(user, &sealed),
            };
        }
    }
    let messages: Result<Vec<Value>, _> = messages.iter().map(written).collect();
    Ok(json!({
        "messages": messages?,
        "may_send": dave.may_send(),
        "frame": frame.map(hex::encode),
    }))
}

fn take(dave: &mut Dave, message: Numbered) -> Vec<ClientMessage> {
    match message.message {
        ServerMessage::Dave(message) => dave.handle(message),
        _ => Vec::new(),
    }
}

/// As it would go to the server. What bears credentials is not among the answers of the encryption.
fn written(message: &ClientMessage) -> Result<Value, serde_json::Error> {
    let nobody = VoiceServer {
        endpoint: String::new(),
        guild_id: 0,
        channel_id: 0,
        user_id: 0,
        session_id: String::new().into(),
        token: String::new().into(),
        stream: None,
    };
    match message.encode(&nobody) {
        Encoded::Text(text) => serde_json::from_str(&text),
        Encoded::Binary(bytes) => Ok(Value::String(hex::encode(bytes))),
    }
}
