//! etcd as a child process.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Error;
use crate::port::free_port;

const PROGRAM: &str = "etcd";

/// In its folder, when it speaks TLS.
const CA_FILE: &str = "ca.pem";
const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";

/// It elects itself first, which takes a second; a machine that compiles meanwhile is slow.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// Between two looks whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One look; it does not answer before it has elected itself.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// How often other ports are tried when the server did not start.
const ATTEMPTS: usize = 3;

/// What an etcd needs that speaks TLS to its clients, as PEM.
#[derive(Debug, Clone)]
pub struct EtcdCertificates {
    /// Who signed the clients' certificates; without one, nobody is heard.
    pub ca: String,
    /// Its own certificate, good for 127.0.0.1 as server and as client (it is a client of itself, too).
    pub certificate: String,
    /// The key of it.
    pub key: String,
}

/// A member of an etcd, mostly the only one, with etcd's own defaults: so leases live 2 s at least.
#[derive(Debug)]
pub struct Etcd {
    /// Dropped after [`Drop::drop`] has ended the server.
    folder: TempDir,
    /// For clients, for other members, and for whoever asks whether it is well.
    ports: [u16; 3],
    tls: bool,
    /// All members with their addresses for each other, as `--initial-cluster` wants them.
    members: String,
    server: Option<Child>,
}

impl Etcd {
    /// Starts an empty one of a single member, and waits until it answers.
    pub async fn start() -> Result<Self, Error> {
        let [etcd] = Self::start_members().await?;
        Ok(etcd)
    }

    /// Starts an empty one of a single member, at an `https://` endpoint.
    pub async fn start_with_tls(certificates: &EtcdCertificates) -> Result<Self, Error> {
        for attempt in 1.. {
            let mut etcd = Self::prepare()?;
            etcd.tls = true;
            etcd.members = etcd.as_member();
            for (name, text) in [
                (CA_FILE, &certificates.ca),
                (CERTIFICATE_FILE, &certificates.certificate),
                (KEY_FILE, &certificates.key),
            ] {
                std::fs::write(etcd.folder.path().join(name), text)
                    .map_err(Error::io("writing etcd's certificates"))?;
            }
            match etcd.run().await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {}
                result => return result.map(|()| etcd),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Starts an empty one of several members, and waits until each answers.
    pub async fn start_members<const COUNT: usize>() -> Result<[Self; COUNT], Error> {
        for attempt in 1.. {
            match Self::try_start_members().await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {}
                result => return result,
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn try_start_members<const COUNT: usize>() -> Result<[Self; COUNT], Error> {
        let mut etcds = Vec::new();
        for _ in 0..COUNT {
            etcds.push(Self::prepare()?);
        }
        let members: Vec<String> = etcds.iter().map(Self::as_member).collect();
        // None answers before most of them run.
        for etcd in &mut etcds {
            etcd.members = members.join(",");
            etcd.spawn()?;
        }
        for etcd in &mut etcds {
            etcd.wait_until_ready().await?;
        }
        Ok(etcds.try_into().expect("COUNT were made"))
    }

    fn prepare() -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("orb-etcd-")
            .tempdir()
            .map_err(Error::io("making a temporary directory"))?;
        Ok(Self {
            folder,
            ports: [free_port()?, free_port()?, free_port()?],
            tls: false,
            members: String::new(),
            server: None,
        })
    }

    /// `http://…` (or `https://…`) for clients; the same for as long as this value lives.
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.ports[0])
    }

    /// The server's process while it runs, for signals.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Runs it (again) on the same ports with the data that is there, and waits until it answers.
    pub async fn run(&mut self) -> Result<(), Error> {
        self.crash()?;
        self.spawn()?;
        self.wait_until_ready().await
    }

    /// Stops it as a crash would (SIGKILL). What it acknowledged is on disk.
    pub fn crash(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        server
            .kill()
            .and_then(|()| server.wait())
            .map(|_| ())
            .map_err(Error::io("killing etcd"))
    }

    /// Deletes all its data; to be called while it does not run. The next [`Self::run`] is another etcd at the
    /// same address, whose revisions begin anew.
    pub fn wipe(&mut self) -> Result<(), Error> {
        self.crash()?;
        match std::fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("deleting etcd's data")(error))
            }
            _ => Ok(()),
        }
    }

    /// Stops its clock (SIGSTOP): connections stay, nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn spawn(&mut self) -> Result<(), Error> {
        let log = File::create(self.log_path()).map_err(Error::io("making etcd's log"))?;
        // It dies with this thread.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", PROGRAM])
            .args(["--name", &self.name()])
            .arg("--data-dir")
            .arg(self.data())
            .args(["--listen-client-urls", &self.endpoint()])
            .args(["--advertise-client-urls", &self.endpoint()])
            .args(["--listen-peer-urls", &self.peer_url()])
            .args(["--initial-advertise-peer-urls", &self.peer_url()])
            .args(["--initial-cluster", &self.members])
            .args(["--listen-metrics-urls", &self.health_url()])
            .args(["--logger", "zap", "--log-outputs", "stderr"])
            .args(["--log-level", "warn"]);
        if self.tls {
            let file = |name| self.folder.path().join(name);
            command
                .arg("--client-cert-auth")
                .arg("--trusted-ca-file")
                .arg(file(CA_FILE))
                .arg("--cert-file")
                .arg(file(CERTIFICATE_FILE))
                .arg("--key-file")
                .arg(file(KEY_FILE));
        }
        let server = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Error::io("starting etcd"))?;
        self.server = Some(server);
        Ok(())
    }

    fn as_member(&self) -> String {
        format!("{}={}", self.name(), self.peer_url())
    }

    fn name(&self) -> String {
        format!("member-{}", self.ports[1])
    }

    fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Plain HTTP, whatever clients have to speak.
    fn health_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[2])
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(server) = &mut self.server
                && let Some(status) = server.try_wait().map_err(Error::io("waiting for etcd"))?
            {
                self.server = None;
                // What setpriv says when it finds no such program.
                return Err(if status.code() == Some(127) {
                    Error::Missing {
                        program: PROGRAM,
                        package: "etcd-server",
                    }
                } else {
                    self.failure("ended")
                });
            }
            if let Ok(Ok(true)) = tokio::time::timeout(LOOK_TIMEOUT, self.is_healthy()).await {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(self.failure("does not answer"))
    }

    /// What it says itself: it has a leader, and a read gets through.
    async fn is_healthy(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[2])).await?;
        stream
            .write_all(b"GET /health HTTP/1.0\r\nHost: etcd\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.contains(r#""health":"true""#))
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .server
            .as_ref()
            .and_then(|server| Pid::from_raw(server.id().cast_signed()));
        if let Some(pid) = pid {
            // Not waited for yet, so the number is still this process's, dead or alive.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn failure(&self, problem: &'static str) -> Error {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        Error::Server {
            program: PROGRAM,
            problem,
            log: String::from_utf8_lossy(&log[log.len().saturating_sub(2_000)..]).into_owned(),
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.crash();
    }
}
