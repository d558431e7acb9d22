//! The main gateway: one task a socket, over plain WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::accounts::{Account, digest};
use crate::gateway_rate::RateLimit;
use crate::gateway_sessions::GatewayOut;
use crate::joining::VoiceStateRequest;
use crate::record::{ClosedBy, RecordEvent};
use crate::shards::Shard;
use crate::sockets::{self, HANDSHAKE_TIMEOUT, OUT_QUEUE};
use crate::streaming::op;
use crate::world::{State, World};

/// Messages that go out in one write: then the client is listened to again.
const OUT_AT_ONCE: usize = 64;

/// Accepts sockets until the simulator stops.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let cancel = world.context.cancel.clone();
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, source)) => {
                let connection = connection(stream, source, Arc::clone(&world));
                world.context.tasks.spawn(connection);
            }
            Err(error) => sockets::accept_failed("main gateway", &error).await,
        }
    }
}

/// Why a socket's loop ended.
enum End {
    /// By the client: the code of its close frame, or none when the socket was just gone.
    Client(Option<u16>),
    /// By us, with a close frame.
    Close(u16, &'static str),
    /// By us, without one.
    Drop,
}

/// Client messages, as far as they are simulated.
#[derive(Deserialize)]
struct Incoming {
    op: u64,
    #[serde(default)]
    d: Value,
}

/// Op 2, IDENTIFY.
#[derive(Deserialize)]
pub(crate) struct Identify {
    pub(crate) token: String,
    /// Users may leave them out, and get everything.
    pub(crate) intents: Option<u64>,
    pub(crate) shard: Option<Value>,
}

/// Op 6, RESUME.
#[derive(Deserialize)]
pub(crate) struct Resume {
    pub(crate) token: String,
    pub(crate) session_id: String,
    pub(crate) seq: u64,
}

/// What a handled message leads to.
pub(crate) enum Reply {
    Nothing,
    Send(Value),
    Close(u16, &'static str),
}

/// A socket and the session that it is attached to.
pub(crate) struct GatewaySocket {
    pub(crate) id: u64,
    pub(crate) source: SocketAddr,
    pub(crate) out: mpsc::Sender<GatewayOut>,
    pub(crate) session: Option<String>,
    rate: RateLimit,
}

async fn connection(stream: TcpStream, source: SocketAddr, world: Arc<World>) {
    let handshake = tokio_tungstenite::accept_hdr_async(stream, plain_json_only);
    let Ok(Ok(mut ws)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else {
        tracing::debug!(%source, "main gateway handshake failed");
        return;
    };
    let (out, mut queue) = mpsc::channel(OUT_QUEUE);
    let mut socket = GatewaySocket {
        id: world.context.next_id(),
        source,
        out,
        session: None,
        rate: RateLimit::default(),
    };
    let end = run(&mut ws, &mut socket, &mut queue, &world).await;

    let (code, by) = match end {
        End::Client(code) => (code, ClosedBy::Client),
        End::Close(code, _) => (Some(code), ClosedBy::Sim),
        End::Drop => (None, ClosedBy::Sim),
    };
    world.state().gateway_socket_closed(&socket, code, by);
    match end {
        End::Close(code, reason) => sockets::close(&mut ws, code, reason).await,
        // Answers the client's close frame.
        End::Client(Some(_)) => drop(ws.flush().await),
        End::Client(None) | End::Drop => {}
    }
}

/// Compressed and ETF connections are not simulated; refusing them at the door says so.
#[allow(clippy::result_large_err, clippy::unnecessary_wraps)] // the callback's type is given
fn plain_json_only(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let query = request.uri().query();
    let compressed = sockets::query_value(query, "compress").is_some();
    let encoding = sockets::query_value(query, "encoding").unwrap_or("json");
    if compressed || encoding != "json" {
        let mut refusal = ErrorResponse::new(Some(
            "discord-sim speaks encoding=json without compress only".to_owned(),
        ));
        *refusal.status_mut() = axum::http::StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    Ok(response)
}

async fn run(
    ws: &mut WebSocketStream<TcpStream>,
    socket: &mut GatewaySocket,
    queue: &mut mpsc::Receiver<GatewayOut>,
    world: &World,
) -> End {
    let interval = world.context.config.heartbeat_interval;
    let hello = json!({"op": 10, "d": {"heartbeat_interval": interval.as_millis() as u64}});
    if ws.send(Message::text(hello.to_string())).await.is_err() {
        return End::Client(None);
    }
    let mut last_heard = tokio::time::Instant::now();
    loop {
        let reply = tokio::select! {
            () = world.context.cancel.cancelled() => return End::Drop,
            () = tokio::time::sleep_until(last_heard + 2 * interval) => {
                Reply::Close(4009, "no heartbeat")
            }
            out = queue.recv() => {
                // `None` cannot be: `socket` holds a sender.
                let out = out.unwrap_or(GatewayOut::Drop);
                match send_waiting(ws, out, queue).await {
                    Some(end) => return end,
                    None => Reply::Nothing,
                }
            }
            message = ws.next() => match message {
                Some(Ok(Message::Close(frame))) => {
                    return End::Client(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(Message::Text(text))) => {
                    last_heard = tokio::time::Instant::now();
                    handle(&text, socket, world)
                }
                Some(Ok(_)) => Reply::Nothing,
                Some(Err(_)) | None => return End::Client(None),
            },
        };
        match reply {
            Reply::Nothing => {}
            Reply::Send(value) => {
                if ws.send(Message::text(value.to_string())).await.is_err() {
                    return End::Client(None);
                }
            }
            Reply::Close(code, reason) => return End::Close(code, reason),
        }
    }
}

/// Sends `out` and what waits behind it, in one write: a bot that joins a channel is told five things at once.
async fn send_waiting(
    ws: &mut WebSocketStream<TcpStream>,
    out: GatewayOut,
    queue: &mut mpsc::Receiver<GatewayOut>,
) -> Option<End> {
    let waiting = std::iter::from_fn(|| queue.try_recv().ok());
    let mut end = None;
    for out in std::iter::once(out).chain(waiting.take(OUT_AT_ONCE)) {
        match out {
            GatewayOut::Text(text) => {
                if ws.feed(Message::Text(text)).await.is_err() {
                    return Some(End::Client(None));
                }
                continue;
            }
            GatewayOut::Close(code, reason) => end = Some(End::Close(code, reason)),
            GatewayOut::Drop => end = Some(End::Drop),
        }
        break;
    }
    match ws.flush().await {
        Ok(()) => end,
        Err(_) => Some(End::Client(None)),
    }
}

/// Handles one client message. Close codes as in Discord's "Gateway close event codes".
fn handle(text: &str, socket: &mut GatewaySocket, world: &World) -> Reply {
    if socket.rate.is_exceeded_at(Instant::now()) {
        return Reply::Close(4008, "rate limited");
    }
    let Ok(Incoming { op, d }) = serde_json::from_str(text) else {
        return Reply::Close(4002, "decode error");
    };
    // After op 9 the session is gone from this socket, which may identify or resume anew.
    socket
        .session
        .take_if(|session| !world.state().gateway.is_attached(session, socket.id));
    match (op, &socket.session) {
        (1, _) => Reply::Send(json!({"op": 11})),
        (2 | 6, Some(_)) => Reply::Close(4005, "already authenticated"),
        (2, None) => match serde_json::from_value::<Identify>(d) {
            Ok(identify) => world.state().identify(socket, &identify),
            Err(_) => Reply::Close(4002, "decode error"),
        },
        (6, None) => match serde_json::from_value::<Resume>(d) {
            Ok(resume) => world.state().resume(socket, &resume),
            Err(_) => Reply::Close(4002, "decode error"),
        },
        (_, None) => Reply::Close(4003, "not authenticated"),
        (4, Some(session)) => match serde_json::from_value::<VoiceStateRequest>(d) {
            Ok(request) => {
                world
                    .state()
                    .request_voice_state(session, &request, socket.source);
                Reply::Nothing
            }
            Err(_) => Reply::Close(4002, "decode error"),
        },
        (op::STREAM_CREATE..=op::STREAM_SET_PAUSED, Some(session)) => {
            world.state().stream_request(session, op, d, socket.source)
        }
        // Presence updates and member requests are accepted and lead to nothing.
        (3 | 8, Some(_)) => Reply::Nothing,
        (_, Some(_)) => Reply::Close(4001, "unknown opcode"),
    }
}

impl State {
    fn identify(&mut self, socket: &mut GatewaySocket, identify: &Identify) -> Reply {
        let context = Arc::clone(&self.context);
        let account = Account::authenticate(&context.config.tokens, &identify.token);
        let (user, token) = account.as_ref().map_or_else(
            || (None, digest(&identify.token)),
            |account| (Some(account.user), account.token_digest.clone()),
        );
        let shard = Shard::of_identify(identify.shard.as_ref());
        let record = |session: Option<&str>, refused: Option<&str>| {
            let event = RecordEvent::GatewayIdentify {
                token: token.clone(),
                shard,
                session: session.map(str::to_owned),
                refused: refused.map(str::to_owned),
            };
            context.record.add(Some(socket.source), user, event);
        };
        if let Some(code) = self.faults.refuse_identify() {
            record(None, Some("fault"));
            return code.map_or(Reply::Send(json!({"op": 9, "d": false})), |code| {
                Reply::Close(code, "identify refused")
            });
        }
        let Some(account) = account else {
            record(None, Some("unknown token"));
            return Reply::Close(4004, "authentication failed");
        };
        let Some(shard) = shard else {
            record(None, Some("no such shard"));
            return Reply::Close(4010, "invalid shard");
        };
        let session = format!("{:016x}{:08x}", rand::random::<u64>(), context.next_id());
        record(Some(&session), None);
        let guilds = context.config.guilds.iter().copied().collect();
        let default_intents = if account.is_user { u64::MAX } else { 0 };
        self.gateway.begin(
            session.clone(),
            (account, shard),
            identify.intents.unwrap_or(default_intents),
            guilds,
            socket.id,
            socket.out.clone(),
        );
        self.greet(&session);
        socket.session = Some(session);
        Reply::Nothing
    }

    fn resume(&mut self, socket: &mut GatewaySocket, resume: &Resume) -> Reply {
        let context = Arc::clone(&self.context);
        let account = Account::authenticate(&context.config.tokens, &resume.token);
        let user = account.as_ref().map(|account| account.user);
        // The session may have died of age a moment before the sweep comes round to it.
        self.end_expired_sessions(Instant::now());
        let outcome = account.as_ref().map(|account| {
            self.gateway.resume(
                &resume.session_id,
                account,
                resume.seq,
                socket.id,
                socket.out.clone(),
            )
        });
        let (replayed, refused) = match outcome {
            Some(Ok(replayed)) => (replayed, None),
            Some(Err(refusal)) => (0, Some(refusal.reason())),
            None => (0, Some("unknown token")),
        };
        let event = RecordEvent::GatewayResume {
            token: digest(resume.token.strip_prefix("Bot ").unwrap_or(&resume.token)),
            session: resume.session_id.clone(),
            seq: resume.seq,
            replayed,
            refused: refused.map(str::to_owned),
        };
        context.record.add(Some(socket.source), user, event);
        match (account, refused) {
            (None, _) => Reply::Close(4004, "authentication failed"),
            (Some(_), Some(_)) => Reply::Send(json!({"op": 9, "d": false})),
            (Some(_), None) => {
                socket.session = Some(resume.session_id.clone());
                Reply::Nothing
            }
        }
    }

    fn gateway_socket_closed(&mut self, socket: &GatewaySocket, code: Option<u16>, by: ClosedBy) {
        let context = Arc::clone(&self.context);
        let session = socket.session.clone();
        let user = session
            .as_deref()
            .and_then(|session| self.gateway.get(session))
            .map(|session| session.account.user);
        let event = RecordEvent::GatewayClosed {
            session: session.clone(),
            code,
            by,
        };
        context.record.add(Some(socket.source), user, event);
        let Some(session) = session else { return };
        // A client's 1000 or 1001 is a goodbye: the session ends, the bot leaves every channel.
        // Any other end leaves it to be resumed (Discord, "Gateway: resuming").
        if by == ClosedBy::Client && matches!(code, Some(1000 | 1001)) {
            if self.gateway.is_attached(&session, socket.id) {
                self.end_session(&session, "closed by the client");
            }
        } else {
            self.gateway.detach(&session, socket.id, Instant::now());
        }
    }
}
