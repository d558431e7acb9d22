//! The one shared state behind all servers, and what it stands in.
//!
//! Traffic is small (50 packets a second a bot), so one mutex guards everything that must agree:
//! sessions, voice states, voice connections, calls. Nobody awaits while holding it; sockets are
//! bounded queues that it only pushes into.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::call::Place;
use crate::clock::SimClock;
use crate::config::DiscordSimConfig;
use crate::faults::PendingFaults;
use crate::gateway_sessions::GatewaySessions;
use crate::heard::HeardStore;
use crate::record::Record;
use crate::seen_store::SeenStore;
use crate::stalls::Stalls;
use crate::streams::Streams;
use crate::udp_order::UdpOrder;
use crate::voice_connections::VoiceConnections;
use crate::voice_states::VoiceStates;
use crate::webrtc_peers::WebRtcPeers;

/// Where everything listens.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) rest: SocketAddr,
    pub(crate) gateway: SocketAddr,
    /// Two, so that a voice server move has somewhere to go.
    pub(crate) voice: [SocketAddr; 2],
    pub(crate) udp: SocketAddr,
    /// Where clients are told that the gateway is.
    pub(crate) gateway_told: SocketAddr,
    /// Where they are told that the voice servers are.
    pub(crate) voice_told: [SocketAddr; 2],
}

impl Endpoints {
    pub(crate) fn gateway_url(&self) -> String {
        format!("ws://{}", self.gateway_told)
    }
}

/// What all parts use and nothing changes.
pub(crate) struct Context {
    pub(crate) config: DiscordSimConfig,
    pub(crate) clock: SimClock,
    pub(crate) record: Record,
    pub(crate) heard: HeardStore,
    pub(crate) seen: SeenStore,
    pub(crate) endpoints: Endpoints,
    pub(crate) stalls: Stalls,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// See [`Self::udp_caught_up`].
    pub(crate) udp_order: UdpOrder,
    next_id: AtomicU64,
}

impl Context {
    pub(crate) fn new(config: DiscordSimConfig, endpoints: Endpoints, udp_order: UdpOrder) -> Self {
        let clock = SimClock::start();
        Self {
            heard: HeardStore::new(clock, config.heard_detail, config.heard_window),
            seen: SeenStore::new(clock, config.seen_window, config.seen_bytes_window),
            record: Record::new(clock),
            config,
            clock,
            endpoints,
            stalls: Stalls::new(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            udp_order,
            next_id: AtomicU64::new(1),
        }
    }

    /// Returns when what came over UDP before the call has been heard, or the simulator ends.
    pub(crate) async fn udp_caught_up(&self) {
        let caught_up = self.udp_order.caught_up();
        let _ = self.cancel.run_until_cancelled(caught_up).await;
    }

    /// A number that was not given out before.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// What the mutex guards.
pub(crate) struct State {
    pub(crate) context: Arc<Context>,
    pub(crate) gateway: GatewaySessions,
    pub(crate) voice_states: VoiceStates,
    pub(crate) streams: Streams,
    pub(crate) connections: VoiceConnections,
    pub(crate) webrtc: WebRtcPeers,
    pub(crate) calls: BTreeMap<Place, Call>,
    pub(crate) faults: PendingFaults,
}

/// The simulated Discord.
pub(crate) struct World {
    pub(crate) context: Arc<Context>,
    state: Mutex<State>,
}

impl World {
    pub(crate) fn new(context: Context) -> Arc<Self> {
        let context = Arc::new(context);
        Arc::new(Self {
            context: Arc::clone(&context),
            state: Mutex::new(State {
                context,
                gateway: GatewaySessions::default(),
                voice_states: VoiceStates::default(),
                streams: Streams::default(),
                connections: VoiceConnections::default(),
                webrtc: WebRtcPeers::new(),
                calls: BTreeMap::new(),
                faults: PendingFaults::default(),
            }),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock fails its own test; the others' simulators are other worlds.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
