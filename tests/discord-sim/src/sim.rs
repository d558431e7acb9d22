use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::net::TcpListener;

use crate::accounts::user_of;
use crate::sockets::loopback;
use crate::tls::{self, Authority};
use crate::udp_order::UdpOrder;
use crate::world::{Context, Endpoints, World};
use crate::{
    DiscordSimConfig, Error, GuildId, Heard, RecordEntry, Seen, UserId, gateway, rest, sweep, udp,
    voice_gateway,
};

/// The token that stands for "the bot" where the configuration lists none.
const DEFAULT_TOKEN: &str = "discord-sim.bot.token";

/// A running simulator. Dropping it stops it; [`DiscordSim::shutdown`] also waits for the end.
pub struct DiscordSim {
    world: Arc<World>,
    authority: Authority,
    threads: Vec<JoinHandle<()>>,
}

impl DiscordSim {
    /// Binds all ports on 127.0.0.1 and starts to serve. Must be called inside a tokio runtime.
    pub async fn start(config: DiscordSimConfig) -> Result<Self, Error> {
        let (authority, acceptor) = tls::make(config.ca_file.as_deref())?;
        let rest_listener = listen(config.rest_port).await?;
        let gateway_listener = listen(0).await?;
        let voice_listeners = [listen(0).await?, listen(0).await?];
        let socket =
            UdpSocket::bind(loopback(0)).map_err(Error::io("binding the voice server's udp"))?;
        let address = Error::io("reading a bound address");
        let endpoints = (|| {
            let gateway = gateway_listener.local_addr()?;
            let voice = [
                voice_listeners[0].local_addr()?,
                voice_listeners[1].local_addr()?,
            ];
            Ok(Endpoints {
                rest: rest_listener.local_addr()?,
                gateway,
                voice,
                udp: socket.local_addr()?,
                gateway_told: config.gateway_relay.unwrap_or(gateway),
                voice_told: config.voice_relays.unwrap_or(voice),
            })
        })()
        .map_err(address)?;

        let udp_order = UdpOrder::of(&socket).map_err(Error::io("sharing the udp socket"))?;
        let world = World::new(Context::new(config, endpoints, udp_order));
        let threads = udp::start(socket, &world).map_err(Error::io("starting the udp threads"))?;
        let tasks = &world.context.tasks;
        tasks.spawn(rest::serve(rest_listener, Arc::clone(&world)));
        tasks.spawn(gateway::serve(gateway_listener, Arc::clone(&world)));
        for (index, listener) in voice_listeners.into_iter().enumerate() {
            let (acceptor, world) = (acceptor.clone(), Arc::clone(&world));
            tasks.spawn(voice_gateway::serve(listener, index, acceptor, world));
        }
        tasks.spawn(sweep::run(Arc::clone(&world)));
        Ok(Self {
            world,
            authority,
            threads: threads.into(),
        })
    }

    /// Base URL such that `{api_url}/api/v10/…` is Discord's REST API and `{api_url}/_sim/…` the
    /// control API.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.world.context.endpoints.rest)
    }

    /// The certificate authority's file (PEM), for `SSL_CERT_FILE` and the like. A temporary file
    /// unless the configuration names one; it goes away with the simulator.
    pub fn ca_file(&self) -> &Path {
        self.authority.file()
    }

    /// The certificate authority as PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// A token that is accepted: the first of the configured ones, or a default.
    pub fn bot_token(&self) -> &str {
        let tokens = &self.world.context.config.tokens;
        tokens.first().map_or(DEFAULT_TOKEN, String::as_str)
    }

    /// The user that [`DiscordSim::bot_token`] belongs to.
    pub fn bot_user(&self) -> UserId {
        user_of(self.bot_token())
    }

    /// Where the main gateway listens, whatever [`DiscordSimConfig::gateway_relay`] tells clients.
    pub fn gateway_endpoint(&self) -> SocketAddr {
        self.world.context.endpoints.gateway
    }

    /// Where the voice gateway listens, whatever [`DiscordSimConfig::voice_relays`] tells clients; the
    /// first is handed out unless a server move says otherwise.
    pub fn voice_endpoints(&self) -> [SocketAddr; 2] {
        self.world.context.endpoints.voice
    }

    /// Where media arrives, whatever [`DiscordSimConfig::media_relay`] tells clients.
    pub fn media_address(&self) -> SocketAddr {
        self.world.context.endpoints.udp
    }

    /// Everything that was tried so far, oldest first.
    pub fn record(&self) -> Vec<RecordEntry> {
        self.world.context.record.all()
    }

    /// What the listening members of `guild` heard.
    pub fn heard(&self, guild: impl Into<GuildId>) -> Heard {
        self.world.context.heard.snapshot(guild.into(), None)
    }

    /// The same, from `since` on.
    pub fn heard_since(&self, guild: impl Into<GuildId>, since: Instant) -> Heard {
        let heard = &self.world.context.heard;
        heard.snapshot(guild.into(), Some(since))
    }

    /// What the listening members of `guild` saw of streams and cameras.
    pub fn seen(&self, guild: impl Into<GuildId>) -> Seen {
        self.world.context.seen.snapshot(guild.into(), None)
    }

    /// The same, from `since` on.
    pub fn seen_since(&self, guild: impl Into<GuildId>, since: Instant) -> Seen {
        let seen = &self.world.context.seen;
        seen.snapshot(guild.into(), Some(since))
    }

    /// Stops and waits until every task and thread has ended.
    pub async fn shutdown(mut self) {
        let context = Arc::clone(&self.world.context);
        context.cancel.cancel();
        context.tasks.close();
        context.tasks.wait().await;
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(|| {
            threads.into_iter().try_for_each(JoinHandle::join).is_ok()
        })
        .await;
        if !joined.unwrap_or(false) {
            tracing::error!("a udp thread of the simulator had panicked");
        }
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for DiscordSim {
    fn drop(&mut self) {
        self.world.context.cancel.cancel();
    }
}

async fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind(loopback(port))
        .await
        .map_err(Error::io("binding a tcp port"))
}
