//! The connection against a server that does as the test says.
#![allow(clippy::unwrap_used)]

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, Utf8Bytes},
};
use twilight_gateway::queue::InMemoryQueue;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that takes one connection after the other.
struct Server {
    listener: TcpListener,
}

struct Peer(WebSocketStream<TcpStream>);

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    fn url(&self) -> String {
        format!("ws://{}", self.listener.local_addr().unwrap())
    }

    /// The next connection, greeted with this interval.
    async fn accept(&self, heartbeat_ms: u64) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut peer = Peer(accept_async(stream).await.unwrap());
        peer.say(&json!({"op": 10, "d": {"heartbeat_interval": heartbeat_ms}}))
            .await;
        peer
    }
}

impl Peer {
    async fn say(&mut self, message: &Value) {
        let text = Message::text(message.to_string());
        self.0.send(text).await.unwrap();
    }

    /// The next message with this op.
    async fn hear(&mut self, op: u64) -> Value {
        loop {
            let message = self.0.next().await.unwrap().unwrap();
            let text = message.into_text().unwrap_or(Utf8Bytes::from_static(""));
            let value: Value = serde_json::from_str(text.as_str()).unwrap();
            if value["op"] == op {
                return value;
            }
        }
    }

    async fn ready(&mut self, resume_url: &str) {
        let d = json!({"session_id": "s", "resume_gateway_url": resume_url, "guilds": []});
        self.say(&json!({"op": 0, "s": 1, "t": "READY", "d": d}))
            .await;
    }
}

fn connection(url: &str, session: Option<GatewaySession>) -> UserConnection {
    let introduction = Introduction {
        user_id: 1,
        gateway_url: url.to_owned(),
        shards: 1,
        queue: InMemoryQueue::new(1, 9, Duration::from_mins(1), 9),
    };
    let dial = DialRule::new(Some("http://127.0.0.1:1"));
    let rules = (dial, Permission::always());
    let place = TokenPlace {
        kind: crate::AccountKind::User,
        number: 1,
    };
    UserConnection::new(place, &"user.secret".into(), introduction, rules, session)
}

/// Polls the connection while the server's part goes on.
async fn beside<T>(connection: &mut UserConnection, server: impl Future<Output = T>) -> T {
    let polls = async {
        loop {
            connection.next().await;
        }
    };
    let both = async {
        tokio::select! {
            done = server => done,
            never = polls => never,
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap()
}

#[tokio::test]
async fn a_server_that_acknowledges_nothing_is_left_and_the_session_resumed() {
    let server = Server::start().await;
    let url = server.url();
    let mut connection = connection(&url, None);
    beside(&mut connection, async {
        let mut first = server.accept(40).await;
        let identify = first.hear(2).await;
        assert_eq!(identify["d"]["token"], "user.secret");
        first.ready(&url).await;
        let beat = first.hear(1).await;
        assert!(beat["d"].is_null() || beat["d"] == 1, "{beat}");
        // The next beat is due, and this one was never acknowledged.
        let mut second = server.accept(40_000).await;
        let resume = second.hear(6).await;
        let expected = json!({"token": "user.secret", "session_id": "s", "seq": 1});
        assert_eq!(resume["d"], expected);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_begins_no_session_is_left() {
    let server = Server::start().await;
    let mut connection = connection(&server.url(), None);
    connection.ready_within = Duration::from_millis(200);
    beside(&mut connection, async {
        let mut first = server.accept(40_000).await;
        first.hear(2).await;
        server.accept(40_000).await
    })
    .await;
    assert!(!connection.is_live());
}

#[tokio::test]
async fn an_acknowledged_connection_stays() {
    let server = Server::start().await;
    let url = server.url();
    let mut connection = connection(&url, None);
    beside(&mut connection, async {
        let mut peer = server.accept(20).await;
        peer.hear(2).await;
        peer.ready(&url).await;
        for _ in 0..20 {
            peer.hear(1).await;
            peer.say(&json!({"op": 11})).await;
        }
        // Discord may also ask for one at once.
        peer.say(&json!({"op": 1, "d": null})).await;
        peer.hear(1).await;
    })
    .await;
    assert!(connection.is_live());
}

#[tokio::test]
async fn a_resume_url_of_the_real_discord_is_not_dialled_from_a_simulation() {
    let server = Server::start().await;
    let mut connection = connection(&server.url(), None);
    let serves = async {
        let mut peer = server.accept(40_000).await;
        peer.hear(2).await;
        peer.ready("wss://gateway.discord.gg").await;
        peer
    };
    let polls = async {
        loop {
            if let Signal::Fatal(error) = connection.next().await {
                return error;
            }
        }
    };
    let both = async { tokio::join!(serves, polls) };
    let (_peer, error) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(error.code(), "discord_gateway_url");
    assert!(!connection.is_live());
}

#[tokio::test]
async fn a_gateway_that_is_away_is_dialled_with_growing_pauses_and_the_session_kept() {
    // Bound and dropped: nothing listens on this port.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", closed.local_addr().unwrap());
    drop(closed);
    let session = GatewaySession {
        id: "session".to_owned(),
        sequence: 5,
        resume_url: url.clone(),
    };
    let mut connection = connection(&url, Some(session.clone()));
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let before = Instant::now();
        assert!(matches!(connection.next().await, Signal::Other));
        pauses.push(before.elapsed().as_millis());
    }
    assert!(pauses[1] >= 990, "{pauses:?}");
    assert!(pauses[2] >= 1_990, "{pauses:?}");
    assert_eq!(connection.session(), Some(session));
}
