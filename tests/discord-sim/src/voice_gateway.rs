//! The voice gateway: TLS, WebSocket, one task a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::record::{ClosedBy, RecordEvent};
use crate::sockets::{self, HANDSHAKE_TIMEOUT, OUT_QUEUE};
use crate::stalls::StallAt;
use crate::voice_connections::SocketOut;
use crate::voice_wire::{WireVersion, op};
use crate::world::World;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// One voice socket, from its task's point of view.
pub(crate) struct VoiceClient {
    pub(crate) id: u64,
    pub(crate) source: SocketAddr,
    pub(crate) listener: usize,
    pub(crate) version: WireVersion,
    pub(crate) out: mpsc::Sender<SocketOut>,
    /// The SSRC of the connection that it identified as or resumed.
    pub(crate) connection: Option<u32>,
}

/// Why a socket's loop ended.
enum End {
    Client(Option<u16>),
    Close(u16, &'static str),
    Reset,
    Eof,
    Drop,
}

/// Accepts sockets on one of the voice listeners until the simulator stops.
pub(crate) async fn serve(
    socket: TcpListener,
    listener: usize,
    tls: TlsAcceptor,
    world: Arc<World>,
) {
    let cancel = world.context.cancel.clone();
    while let Some(accepted) = cancel.run_until_cancelled(socket.accept()).await {
        match accepted {
            Ok((stream, source)) => {
                // Nothing else is accepted meanwhile, and to the client this one looks no other
                // than those in the kernel's queue.
                let stalls = &world.context.stalls;
                let passed = cancel.run_until_cancelled(stalls.pass(listener, StallAt::Accept));
                if passed.await.is_none() {
                    return;
                }
                let dialled = RecordEvent::VoiceDialled { listener };
                world.context.record.add(Some(source), None, dialled);
                let connection =
                    connection(stream, source, listener, tls.clone(), Arc::clone(&world));
                world.context.tasks.spawn(connection);
            }
            Err(error) => sockets::accept_failed("voice gateway", &error).await,
        }
    }
}

async fn connection(
    stream: TcpStream,
    source: SocketAddr,
    listener: usize,
    tls: TlsAcceptor,
    world: Arc<World>,
) {
    let (cancel, stalls) = (&world.context.cancel, &world.context.stalls);
    let stalled = stalls.pass(listener, StallAt::Tls);
    if cancel.run_until_cancelled(stalled).await.is_none() {
        return;
    }
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(stream, &tls)).await;
    let (mut ws, version) = match handshake.unwrap_or_else(|_| Err("timed out".to_owned())) {
        Ok(opened) => opened,
        Err(reason) => {
            let event = RecordEvent::VoiceHandshakeFailed { reason };
            world.context.record.add(Some(source), None, event);
            return;
        }
    };
    let (out, mut queue) = mpsc::channel(OUT_QUEUE);
    let mut client = VoiceClient {
        id: world.context.next_id(),
        source,
        listener,
        version,
        out,
        connection: None,
    };
    let end = run(&mut ws, &mut client, &mut queue, &world).await;

    let (code, by) = match end {
        End::Client(code) => (code, ClosedBy::Client),
        End::Close(code, _) => (Some(code), ClosedBy::Sim),
        End::Reset | End::Eof | End::Drop => (None, ClosedBy::Sim),
    };
    world.context.udp_caught_up().await;
    world.state().voice_socket_closed(&client, code, by);
    match end {
        End::Close(code, reason) => sockets::close(&mut ws, code, reason).await,
        End::Client(Some(_)) => drop(ws.flush().await),
        End::Eof => sockets::end_without_close_frame(&mut ws).await,
        End::Reset => {
            if let Err(error) = ws.get_ref().get_ref().0.set_zero_linger() {
                tracing::warn!(%error, "connection is closed instead of reset");
            }
        }
        End::Client(None) | End::Drop => {}
    }
}

async fn handshake(stream: TcpStream, tls: &TlsAcceptor) -> Result<(Socket, WireVersion), String> {
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let stream = tls
        .accept(stream)
        .await
        .map_err(|error| format!("tls: {error}"))?;
    let mut version = None;
    #[allow(clippy::result_large_err)] // the callback's type is given
    let negotiate = |request: &Request, response: Response| {
        version = WireVersion::negotiate(request.uri().query());
        if version.is_some() {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("voice gateway version not simulated".into()));
        *refusal.status_mut() = axum::http::StatusCode::BAD_REQUEST;
        Err(refusal)
    };
    let ws = tokio_tungstenite::accept_hdr_async(stream, negotiate)
        .await
        .map_err(|error| format!("websocket: {error}"))?;
    Ok((ws, version.ok_or("no version")?))
}

async fn run(
    ws: &mut Socket,
    client: &mut VoiceClient,
    queue: &mut mpsc::Receiver<SocketOut>,
    world: &World,
) -> End {
    let stalled = world.context.stalls.pass(client.listener, StallAt::Hello);
    if world
        .context
        .cancel
        .run_until_cancelled(stalled)
        .await
        .is_none()
    {
        return End::Drop;
    }
    let interval = world.context.config.voice_heartbeat_interval;
    let hello = json!({
        "v": client.version.number(), "heartbeat_interval": interval.as_millis() as u64
    });
    if ws.send(WireVersion::json(op::HELLO, &hello)).await.is_err() {
        return End::Client(None);
    }
    let mut last_heard = tokio::time::Instant::now();
    let mut silent = false;
    loop {
        let outgoing = tokio::select! {
            () = world.context.cancel.cancelled() => return End::Drop,
            () = tokio::time::sleep_until(last_heard + 2 * interval), if !silent => {
                return End::Close(4009, "no heartbeat");
            }
            out = queue.recv() => out,
            message = ws.next() => match message {
                Some(Ok(Message::Close(frame))) => {
                    return End::Client(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) if silent => None,
                Some(Ok(Message::Text(text))) => {
                    last_heard = tokio::time::Instant::now();
                    world.context.udp_caught_up().await;
                    handle_text(&text, client, world)
                }
                Some(Ok(Message::Binary(bytes))) => {
                    last_heard = tokio::time::Instant::now();
                    world.context.udp_caught_up().await;
                    handle_binary(&bytes, client, world)
                }
                Some(Ok(_)) => None,
                Some(Err(_)) | None => return End::Client(None),
            },
        };
        let message = match outgoing {
            None => continue,
            Some(_) if silent => continue,
            Some(SocketOut::Silence) => {
                silent = true;
                continue;
            }
            Some(SocketOut::Frame(message)) => message,
            Some(SocketOut::Close(code, reason)) => return End::Close(code, reason),
            Some(SocketOut::Reset) => return End::Reset,
            Some(SocketOut::Eof) => return End::Eof,
        };
        if ws.send(message).await.is_err() {
            return End::Client(None);
        }
    }
}

/// Client messages in JSON.
#[derive(Deserialize)]
struct Incoming {
    op: u8,
    #[serde(default)]
    d: Value,
}

/// Handles one JSON message; returns what to answer on this socket. Close codes as in Discord's
/// "Voice close event codes".
fn handle_text(text: &str, client: &mut VoiceClient, world: &World) -> Option<SocketOut> {
    let Ok(Incoming { op, d }) = serde_json::from_str(text) else {
        return Some(SocketOut::Close(4002, "failed to decode payload"));
    };
    match (op, client.connection) {
        (op::HEARTBEAT, connection) => match client.version.heartbeat(d) {
            Some(heartbeat) => Some(world.state().voice_heartbeat(connection, &heartbeat)),
            None => Some(SocketOut::Close(4002, "failed to decode payload")),
        },
        (op::IDENTIFY | op::RESUME, Some(_)) => {
            Some(SocketOut::Close(4005, "already authenticated"))
        }
        (op::IDENTIFY, None) => match serde_json::from_value(d) {
            Ok(identify) => world.state().voice_identify(client, &identify),
            Err(_) => Some(malformed(client, op, world)),
        },
        (op::RESUME, None) => match serde_json::from_value(d) {
            Ok(resume) => world.state().voice_resume(client, &resume),
            Err(_) => Some(malformed(client, op, world)),
        },
        (_, None) => Some(SocketOut::Close(4003, "not authenticated")),
        (op::SELECT_PROTOCOL, Some(ssrc)) => match serde_json::from_value(d) {
            Ok(select) => world.state().select_protocol(ssrc, &select),
            Err(_) => Some(SocketOut::Close(4002, "failed to decode payload")),
        },
        (op::VIDEO, Some(ssrc)) => world.state().video(ssrc, d),
        (op::MEDIA_SINK_WANTS, Some(ssrc)) => world.state().wants(ssrc, &d),
        (op::SPEAKING, Some(ssrc)) => {
            world.state().speaking(ssrc, &d);
            None
        }
        (op::DAVE_TRANSITION_READY | op::DAVE_INVALID_COMMIT_WELCOME, Some(ssrc)) => {
            world.state().dave_json(ssrc, op, &d);
            None
        }
        (_, Some(_)) => Some(SocketOut::Close(4001, "unknown opcode")),
    }
}

/// An IDENTIFY or RESUME that cannot be read is an attempt all the same.
fn malformed(client: &VoiceClient, op: u8, world: &World) -> SocketOut {
    let event = RecordEvent::VoiceMalformed { op };
    world.context.record.add(Some(client.source), None, event);
    SocketOut::Close(4002, "failed to decode payload")
}

/// Handles one binary message: DAVE's key packages and commits.
fn handle_binary(bytes: &[u8], client: &mut VoiceClient, world: &World) -> Option<SocketOut> {
    let Some(ssrc) = client.connection else {
        return Some(SocketOut::Close(4003, "not authenticated"));
    };
    match bytes.split_first() {
        Some((&(op::DAVE_KEY_PACKAGE | op::DAVE_COMMIT_WELCOME), payload)) => {
            world.state().dave_binary(ssrc, bytes[0], payload);
            None
        }
        _ => Some(SocketOut::Close(4001, "unknown opcode")),
    }
}
