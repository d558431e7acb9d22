//! Writes seeds: what the simulated Discord says to a client through everything that a group goes through.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use discord_sim::{DaveFault, DiscordSim, DiscordSimConfig, Fault, FirstCommit, GuildId, Spoil};
use futures::{SinkExt, StreamExt};
use orb_voice::{
    Dave, OnDowngrade, Output, Roster, Signalling, VoiceServer, VoiceTiming,
    wire::{ClientMessage, Encoded, Numbered},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// As the targets have them.
const GUILD: u64 = 70;
const CHANNEL: u64 = 71;
const USER: u64 = 72;

/// When nothing came for so long, the next thing happens. Strangers stay for half a second.
const QUIET: Duration = Duration::from_millis(800);

/// One conversation, as the targets read it.
#[derive(Default)]
struct Seeds {
    text: String,
    binary: Vec<u8>,
}

impl Seeds {
    fn event(&mut self, event: &str) {
        self.text.push_str(event);
        self.text.push('\n');
    }

    fn message(&mut self, message: &Message) {
        match message {
            Message::Text(text) => self.event(text),
            Message::Binary(bytes) => {
                let hex = bytes.iter().fold(String::from("b "), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                });
                self.event(&hex);
            }
            _ => return,
        }
        let bytes = message.clone().into_data();
        self.binary.push(0);
        self.binary
            .extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        self.binary.extend(bytes);
    }

    fn write(&self, name: &str) {
        std::fs::write(super::seeds_of("gateway_text").join(name), &self.text).unwrap();
        std::fs::write(super::seeds_of("gateway_binary").join(name), &self.binary).unwrap();
    }
}

struct Client {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    server: VoiceServer,
    machine: Signalling,
    dave: Dave,
    seeds: Seeds,
}

impl Client {
    async fn connect(sim: &DiscordSim) -> Self {
        let credentials = sim.voice_credentials(GUILD, CHANNEL, USER).unwrap();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(sim.ca_file()).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = rustls::crypto::ring::default_provider().into();
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let endpoint = credentials.endpoint.clone();
        let host = endpoint.rsplit_once(':').unwrap().0.to_owned();
        let stream = TcpStream::connect(&endpoint).await.unwrap();
        let stream = TlsConnector::from(std::sync::Arc::new(config))
            .connect(ServerName::try_from(host).unwrap(), stream)
            .await
            .unwrap();
        let url = format!("wss://{endpoint}/?v=8");
        let (socket, _) = client_async(url, stream).await.unwrap();
        Self {
            socket,
            server: VoiceServer {
                endpoint,
                guild_id: GUILD,
                channel_id: CHANNEL,
                user_id: USER,
                session_id: credentials.session.into(),
                token: credentials.token.into(),
                stream: None,
            },
            machine: Signalling::new(VoiceTiming::default(), 1),
            dave: Dave::new(USER, CHANNEL, OnDowngrade::Hold),
            seeds: Seeds::default(),
        }
    }

    /// Does what the machine says, until it waits for something to come.
    async fn perform(&mut self) {
        while let Some(output) = self.machine.next_output() {
            let now = Instant::now();
            match output {
                Output::Ask(step) => {
                    self.seeds.event("p");
                    self.machine.gate_passed(step, now);
                }
                Output::Dial => {
                    self.seeds.event("o");
                    self.machine.opened();
                }
                Output::Discover { .. } => {
                    self.seeds.event("f");
                    self.machine.discovered(([127, 0, 0, 1], 9).into());
                }
                Output::Send(message) => self.send(vec![message]).await,
                Output::Media(path) => {
                    let answers = self.dave.begin(path.dave_version);
                    self.send(answers).await;
                }
                Output::Dave(message) => {
                    let answers = self.dave.handle(message);
                    self.send(answers).await;
                }
                Output::Roster(Roster::Joined(users)) => self.dave.joined(&users),
                Output::Roster(Roster::Left(user)) => self.dave.left(user),
                _ => {}
            }
        }
    }

    async fn send(&mut self, messages: Vec<ClientMessage>) {
        for message in messages {
            let message = match message.encode(&self.server) {
                Encoded::Text(text) => Message::text(text),
                Encoded::Binary(bytes) => Message::binary(bytes),
            };
            self.socket.send(message).await.unwrap();
        }
    }

    /// Converses until the server has no more to say.
    async fn converse(&mut self) {
        self.perform().await;
        while let Ok(message) = tokio::time::timeout(QUIET, self.socket.next()).await {
            let message = message.unwrap().unwrap();
            self.seeds.message(&message);
            let numbered = match &message {
                Message::Text(text) => Numbered::from_text(text).unwrap(),
                Message::Binary(bytes) => Numbered::from_binary(bytes).unwrap(),
                _ => continue,
            };
            self.machine.received(numbered, Instant::now());
            self.perform().await;
        }
    }
}

#[tokio::test]
#[ignore = "writes fuzz/seeds anew: for a protocol that has changed"]
async fn a_conversation_with_the_simulator() {
    let faults = || {
        let spoil = |how| DaveFault::SpoilNext { user: None, how };
        vec![
            ("join", vec![DaveFault::JoinMember { user: None }]),
            ("join_more", vec![DaveFault::JoinMember { user: None }; 3]),
            ("leave", vec![DaveFault::LeaveMember { user: None }]),
            ("stranger", vec![DaveFault::ProposeStranger]),
            ("revoke", vec![DaveFault::ProposeAndRevoke]),
            (
                "spoiled",
                vec![spoil(Spoil::Bytes), DaveFault::JoinMember { user: None }],
            ),
            (
                "stray",
                vec![DaveFault::StrayCommit, DaveFault::StrayExecute],
            ),
            ("downgrade", vec![DaveFault::Downgrade]),
            ("upgrade", vec![DaveFault::Upgrade]),
            ("reset", vec![DaveFault::Reset]),
        ]
    };
    for (name, who) in [
        ("member", FirstCommit::Member),
        ("client", FirstCommit::Bot),
    ] {
        let config = DiscordSimConfig {
            first_commit: who,
            later_commits: who,
            ..DiscordSimConfig::default()
        };
        let sim = DiscordSim::start(config).await.unwrap();
        let mut client = Client::connect(&sim).await;
        client.machine.start(Instant::now());
        client.converse().await;
        assert!(client.dave.may_send(), "{}", client.seeds.text);
        client.seeds.write(&format!("{name}_begins"));
        let begun = std::mem::take(&mut client.seeds);
        for (what, faults) in faults() {
            client.seeds.text.clone_from(&begun.text);
            client.seeds.binary.clone_from(&begun.binary);
            for what in faults {
                let guild = GuildId(GUILD);
                sim.fault(&Fault::Dave { guild, what }).unwrap();
            }
            client.converse().await;
            client.seeds.write(&format!("{name}_{what}"));
        }
    }
}
