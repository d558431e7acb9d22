//! A voice client that says exactly what it is told to, whatever the version.

use std::collections::VecDeque;
use std::sync::Arc;

use discord_sim::{DiscordSim, VoiceCredentials};
use futures::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::PATIENCE;

/// One voice socket.
pub struct Client {
    ws: WebSocketStream<TlsStream<TcpStream>>,
    /// Numbers of all messages received so far that bore one, with their ops.
    pub numbered: Vec<(u16, u8)>,
    /// JSON messages that were received while another one was waited for.
    unread: VecDeque<Value>,
}

impl Client {
    /// Dials the first voice listener.
    pub async fn open(sim: &DiscordSim, host: &str, version: u8) -> Result<Self, Error> {
        Self::dial(sim, 0, host, version).await
    }

    /// Dials one of the voice listeners.
    pub async fn dial(
        sim: &DiscordSim,
        listener: usize,
        host: &str,
        version: u8,
    ) -> Result<Self, Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(sim.ca_pem().as_bytes()).unwrap())
            .unwrap();
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(sim.voice_endpoints()[listener]).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await?;
        let url = format!("wss://{host}/?v={version}");
        let (ws, _) = tokio_tungstenite::client_async(url, stream).await?;
        Ok(Self {
            ws,
            numbered: Vec::new(),
            unread: VecDeque::new(),
        })
    }

    /// A v8 client that has identified, with the data of READY.
    pub async fn identified(sim: &DiscordSim, info: &VoiceCredentials) -> (Self, Value) {
        let mut client = Self::open(sim, "localhost", 8).await.unwrap();
        client.send(0, identify(info)).await;
        let ready = client.receive(2).await;
        (client, ready)
    }

    /// A v8 client that asks to resume after `seq_ack`.
    pub async fn resuming(
        sim: &DiscordSim,
        info: &VoiceCredentials,
        seq_ack: impl Into<Option<i64>>,
    ) -> Self {
        Self::resuming_at(sim, info.guild.0, &info.session, &info.token, seq_ack).await
    }

    /// The same with a `server_id` that may be a stream's.
    pub async fn resuming_at(
        sim: &DiscordSim,
        server_id: u64,
        session: &str,
        token: &str,
        seq_ack: impl Into<Option<i64>>,
    ) -> Self {
        let mut client = Self::open(sim, "localhost", 8).await.unwrap();
        let mut resume = json!({
            "server_id": server_id.to_string(), "session_id": session, "token": token
        });
        if let Some(seq_ack) = seq_ack.into() {
            resume["seq_ack"] = seq_ack.into();
        }
        client.send(7, resume).await;
        client
    }

    pub async fn send(&mut self, op: u8, data: Value) {
        let text = json!({"op": op, "d": data}).to_string();
        self.ws.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_binary(&mut self, op: u8, payload: &[u8]) {
        let message = Message::binary([&[op], payload].concat());
        self.ws.send(message).await.unwrap();
    }

    /// The next message as it came: JSON, or `(op, payload)` of a v8 binary one as
    /// `{"op", "seq", "binary"}`. `None`: the stream ended.
    pub async fn next(&mut self) -> Option<Result<Value, Error>> {
        let next = async {
            loop {
                return match self.ws.next().await? {
                    Ok(Message::Text(text)) => Some(Ok(serde_json::from_str(&text).unwrap())),
                    Ok(Message::Binary(bytes)) => Some(Ok(json!({
                        "op": bytes[2], "seq": u16::from_be_bytes([bytes[0], bytes[1]]),
                        "binary": bytes[3..].to_vec()
                    }))),
                    Ok(Message::Close(frame)) => {
                        let code: u16 = frame.unwrap().code.into();
                        Some(Ok(json!({"close": code})))
                    }
                    Ok(_) => continue,
                    Err(error) => Some(Err(error)),
                };
            }
        };
        let next = tokio::time::timeout(PATIENCE, next).await.unwrap();
        if let Some(Ok(message)) = &next
            && let Some(seq) = message["seq"].as_u64()
        {
            let op = message["op"].as_u64().unwrap();
            self.numbered.push((seq as u16, op as u8));
        }
        next
    }

    /// Passes over messages with this op that were not asked for.
    pub fn forget(&mut self, op: u8) {
        self.unread.retain(|one| one["op"] != op);
    }

    /// The next message with this op, seen before or not, as it came.
    pub async fn message(&mut self, op: u8) -> Value {
        let found = self.unread.iter().position(|one| one["op"] == op);
        if let Some(message) = found.and_then(|at| self.unread.remove(at)) {
            return message;
        }
        loop {
            let message = self.next().await.unwrap().unwrap();
            if message["op"] == op {
                return message;
            }
            assert!(message["close"].is_null(), "closed: {message}");
            self.unread.push_back(message);
        }
    }

    /// The data of the next message with this op.
    pub async fn receive(&mut self, op: u8) -> Value {
        self.message(op).await["d"].take()
    }

    /// The code that the server closes with.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            let message = self.next().await.unwrap().unwrap();
            if let Some(code) = message["close"].as_u64() {
                return code as u16;
            }
        }
    }

    /// A heartbeat that is answered: everything sent before it has been received.
    pub async fn beat(&mut self, seq_ack: impl Into<Option<i64>>) {
        self.send(3, json!({"t": 5, "seq_ack": seq_ack.into()}))
            .await;
        assert_eq!(self.receive(6).await, json!({"t": 5}));
    }

    /// The last number received.
    pub fn last_seq(&self) -> i64 {
        self.numbered.last().map_or(-1, |(seq, _)| i64::from(*seq))
    }
}

/// Data of op 0.
pub fn identify(info: &VoiceCredentials) -> Value {
    json!({
        "server_id": info.guild, "user_id": info.user,
        "session_id": info.session, "token": info.token, "max_dave_protocol_version": 1
    })
}

/// A UDP socket that has discovered its address.
pub async fn discovered(ready: &Value) -> UdpSocket {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = ready["port"].as_u64().unwrap() as u16;
    udp.connect(("127.0.0.1", port)).await.unwrap();
    udp.send(&discovery(ready)).await.unwrap();
    let mut reply = [0; 128];
    let received = tokio::time::timeout(PATIENCE, udp.recv(&mut reply));
    assert_eq!(received.await.unwrap().unwrap(), 74);
    udp
}

/// A request for IP discovery.
pub fn discovery(ready: &Value) -> [u8; 74] {
    let mut discovery = [0; 74];
    discovery[..4].copy_from_slice(&[0, 1, 0, 70]);
    let ssrc = ready["ssrc"].as_u64().unwrap() as u32;
    discovery[4..8].copy_from_slice(&ssrc.to_be_bytes());
    discovery
}
