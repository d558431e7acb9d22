//! PostgreSQL as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::Error;
use crate::port::free_port;

/// Debian's place: `<version>/bin` below it.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The server refuses to run as root, and this is the user that the package makes.
const USER: &str = "postgres";

/// Recovery after a crash takes under a second; a machine that compiles meanwhile is slow.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// A fast stop writes a checkpoint first.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Between two looks whether it is ready or has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often another port is tried when the server did not start.
const ATTEMPTS: usize = 3;

/// A server with one empty database and a superuser, both named `postgres`, who needs no password.
#[derive(Debug)]
pub struct Postgres {
    /// Dropped after [`Drop::drop`] has ended the server.
    folder: TempDir,
    binaries: PathBuf,
    settings: Vec<String>,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Starts one for tests that want it quick: `fsync` is off, so it survives a crash of the server, but not
    /// of the machine.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(&[("fsync", "off"), ("full_page_writes", "off")]).await
    }

    /// Starts one with these settings on top of PostgreSQL's own defaults, which are durable.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<Self, Error> {
        let binaries = binaries()?;
        let folder = tempfile::Builder::new()
            .prefix("orb-postgres-")
            .tempdir()
            .map_err(Error::io("making a temporary directory"))?;
        if rustix::process::geteuid().is_root() {
            let user = user_id()?;
            std::os::unix::fs::chown(folder.path(), Some(user), None)
                .map_err(Error::io("giving the directory to PostgreSQL's user"))?;
        }
        let mut postgres = Self {
            folder,
            binaries,
            settings: settings
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            port: 0,
            server: None,
        };
        postgres.initialise().await?;
        for attempt in 1.. {
            postgres.port = free_port()?;
            match postgres.run().await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {}
                result => return result.map(|()| postgres),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// `postgres://…`, of the database `postgres`; other databases of the server have their name in its place.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1; it stays the same over [`Self::run`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process while it runs, for signals.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Runs it (again) on the same port with the same data, and waits until it takes connections.
    pub async fn run(&mut self) -> Result<(), Error> {
        self.end(Signal::QUIT).await?;
        let log = File::create(self.log_path()).map_err(Error::io("making PostgreSQL's log"))?;
        let mut command = self.as_user("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", &format!("port={}", self.port)]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Error::io("starting postgres"))?;
        self.server = Some(server);
        self.wait_until_ready().await
    }

    /// Stops it as an operator would: sessions are cut, what was committed is on disk.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.end(Signal::INT).await
    }

    /// Stops it as a crash would: at once, and the next start recovers from the log.
    pub async fn crash(&mut self) -> Result<(), Error> {
        self.end(Signal::QUIT).await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    async fn initialise(&self) -> Result<(), Error> {
        let mut command = self.as_user("initdb");
        command
            .arg("-D")
            .arg(self.data())
            .args(["--username", USER, "--auth", "trust", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C.UTF-8"]);
        let output = tokio::process::Command::from(command)
            .output()
            .await
            .map_err(Error::io("starting initdb"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Server {
            program: "initdb",
            problem: "made no database",
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A program of the package, which dies with this thread, as a user that it consents to.
    fn as_user(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid", USER, "--regid", USER, "--init-groups"]);
        }
        command
            .arg(self.binaries.join(program))
            .current_dir(self.folder.path());
        command
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if self.has_ended()? {
                return Err(self.failure("ended"));
            }
            let ready = tokio::process::Command::new(self.binaries.join("pg_isready"))
                .args(["--quiet", "--host=127.0.0.1"])
                .arg(format!("--port={}", self.port))
                .status()
                .await
                .map_err(Error::io("starting pg_isready"))?;
            if ready.success() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(self.failure("is not ready in time"))
    }

    async fn end(&mut self, signal: Signal) -> Result<(), Error> {
        self.signal(signal);
        let deadline = Instant::now() + STOP_WITHIN;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                return Err(self.failure("does not stop"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
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

    fn has_ended(&mut self) -> Result<bool, Error> {
        let Some(server) = &mut self.server else {
            return Ok(true);
        };
        let ended = server
            .try_wait()
            .map_err(Error::io("waiting for postgres"))?;
        if ended.is_some() {
            self.server = None;
        }
        Ok(self.server.is_none())
    }

    fn failure(&self, problem: &'static str) -> Error {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        Error::Server {
            program: "postgres",
            problem,
            log: String::from_utf8_lossy(&log[log.len().saturating_sub(2_000)..]).into_owned(),
        }
    }
}

impl Drop for Postgres {
    /// An immediate stop takes milliseconds; its data is deleted with the directory.
    fn drop(&mut self) {
        self.signal(Signal::QUIT);
        let deadline = Instant::now() + STOP_WITHIN;
        while !self.has_ended().unwrap_or(true) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The programs of the newest version that is installed.
fn binaries() -> Result<PathBuf, Error> {
    let missing = Error::Missing {
        program: "postgres",
        package: "postgresql",
    };
    let Ok(versions) = Path::new(VERSIONS).read_dir() else {
        return Err(missing);
    };
    versions
        .flatten()
        .filter_map(|version| {
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            let binaries = version.path().join("bin");
            binaries
                .join("postgres")
                .exists()
                .then_some((number, binaries))
        })
        .max()
        .map(|(_, binaries)| binaries)
        .ok_or(missing)
}

/// The number of the package's user.
fn user_id() -> Result<u32, Error> {
    let output = Command::new("id")
        .args(["-u", USER])
        .output()
        .map_err(Error::io("starting id"))?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| Error::Missing {
            program: "the user postgres",
            package: "postgresql",
        })
}
