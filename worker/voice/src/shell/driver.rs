//! What all calls of a process share.

use std::{path::PathBuf, sync::Arc};

use rustls::ClientConfig;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    call::Call,
    event::{CallEvent, Heard},
    shared::Shared,
    stats::DriverStats,
    tls,
};
use crate::{Error, FrameSource, OnDowngrade, PictureSource, VoiceTiming, pacer::Pacer};

/// How a driver behaves.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Time-outs.
    pub timing: VoiceTiming,
    /// What a downgrade to transport encryption does.
    pub on_downgrade: OnDowngrade,
    /// Threads that pace. One serves hundreds of calls.
    pub pacing_threads: usize,
    /// Certificates to trust besides the system's and Mozilla's, in PEM: of a simulator, or of a proxy.
    pub extra_ca_file: Option<PathBuf>,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            timing: VoiceTiming::default(),
            on_downgrade: OnDowngrade::default(),
            pacing_threads: 1,
            extra_ca_file: None,
        }
    }
}

/// One a process. Cheap to clone; the threads end with the last clone and the last call.
#[derive(Clone)]
pub struct Driver {
    pub(super) common: Arc<Common>,
}

pub(super) struct Common {
    pub(super) config: DriverConfig,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) pacer: Pacer,
    pub(super) stats: Arc<DriverStats>,
    pub(super) runtime: Handle,
}

impl Driver {
    /// Starts the pacing threads. Must be called on a tokio runtime, which then serves all connections.
    pub fn new(config: DriverConfig) -> Result<Self, Error> {
        config.timing.check()?;
        let pacer = Pacer::start(config.pacing_threads.max(1)).map_err(Error::Thread)?;
        let tls = tls::client_config(config.extra_ca_file.as_deref())?;
        Ok(Self {
            common: Arc::new(Common {
                config,
                tls,
                pacer,
                stats: Arc::default(),
                runtime: Handle::current(),
            }),
        })
    }

    /// A call without a connection that sends what `source` gives.
    ///
    /// Events that find the channel full are lost (and logged): a connection waits for no reader.
    pub fn call(&self, source: Arc<dyn FrameSource>, events: mpsc::Sender<CallEvent>) -> Call {
        self.make(source, None, events, None)
    }

    /// A call for a Go Live stream: it sends what both sources give, when it is connected to a server with
    /// [`VoiceServer::stream`](crate::VoiceServer::stream). To another, it sends sound alone.
    pub fn stream_call(
        &self,
        sound: Arc<dyn FrameSource>,
        pictures: Arc<dyn PictureSource>,
        events: mpsc::Sender<CallEvent>,
    ) -> Call {
        self.make(sound, Some(pictures), events, None)
    }

    /// The same, for an owner who also listens; packets that find `heard` full are lost.
    pub fn listening_call(
        &self,
        source: Arc<dyn FrameSource>,
        events: mpsc::Sender<CallEvent>,
        heard: mpsc::Sender<Heard>,
    ) -> Call {
        self.make(source, None, events, Some(heard))
    }

    /// What was counted over all calls.
    pub fn stats(&self) -> Arc<DriverStats> {
        Arc::clone(&self.common.stats)
    }

    fn make(
        &self,
        source: Arc<dyn FrameSource>,
        pictures: Option<Arc<dyn PictureSource>>,
        events: mpsc::Sender<CallEvent>,
        heard: Option<mpsc::Sender<Heard>>,
    ) -> Call {
        let common = Arc::clone(&self.common);
        let stats = Arc::clone(&common.stats);
        let shared = Arc::new(Shared::new(source, pictures, stats));
        Call::new(common, shared, events, heard)
    }
}
