//! This process's certificates, as new as the files.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::Instant;

use crate::files::{Contents, Fingerprint};
use crate::material::Material;
use crate::{Error, Part, Protocol, TlsFiles};

/// A thousand handshakes in a moment look at the files once. Whoever rotates certificates leaves hours for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What this process shows to the other roles, and whom it believes. Clones share it.
#[derive(Clone)]
pub struct MutualTls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    part: Part,
    /// When the files were looked at last; held while they are.
    looked: tokio::sync::Mutex<Instant>,
    latest: Mutex<Latest>,
}

struct Latest {
    /// What was looked at last, whether or not it could be used; none when it could not be read.
    seen: Option<Fingerprint>,
    material: Arc<Material>,
}

/// What another look at the files brought.
enum Found {
    Known,
    Renewed,
}

impl MutualTls {
    /// Reads the files, and checks that peers will accept what is in them. Blocks while it reads.
    pub fn load(files: TlsFiles, part: Part) -> Result<Self, Error> {
        let contents = files.read()?;
        let material = Material::new(&files, &files.parse(&contents)?, part)?;
        let latest = Latest {
            seen: Some(contents.fingerprint()),
            material: Arc::new(material),
        };
        Ok(Self(Arc::new(Inner {
            files,
            part,
            looked: tokio::sync::Mutex::new(Instant::now()),
            latest: Mutex::new(latest),
        })))
    }

    /// For an HTTP client: shows this process's certificate, and takes servers that bear the fixed name. It is the same
    /// one until the files change.
    pub async fn http_client_config(&self) -> Arc<ClientConfig> {
        self.current().await.client(Protocol::Http)
    }

    /// Of the files as they are now; where those cannot be used, of those that could.
    pub(crate) async fn current(&self) -> Arc<Material> {
        let mut looked = self.0.looked.lock().await;
        if looked.elapsed() >= LOOK_EVERY {
            self.look_again().await;
            *looked = Instant::now();
        }
        drop(looked);
        Arc::clone(&self.0.latest().material)
    }

    async fn look_again(&self) {
        let inner = Arc::clone(&self.0);
        // Three small files, but on whatever disk.
        let looked = tokio::task::spawn_blocking(move || inner.look()).await;
        match looked.unwrap_or(Ok(Found::Known)) {
            Ok(Found::Known) => {}
            Ok(Found::Renewed) => tracing::info!("certificates were renewed"),
            Err(error) => tracing::error!(
                %error, code = error.code(), "new certificates cannot be used; the last good ones stay in force"
            ),
        }
    }
}

impl Inner {
    /// An error is told once for each state of the files.
    fn look(&self) -> Result<Found, Error> {
        let read = self.files.read();
        let mut latest = self.latest();
        let seen = read.as_ref().ok().map(Contents::fingerprint);
        if seen == latest.seen {
            return Ok(Found::Known);
        }
        latest.seen = seen;
        let pem = self.files.parse(&read?)?;
        latest.material = Arc::new(Material::new(&self.files, &pem, self.part)?);
        Ok(Found::Renewed)
    }

    /// What is guarded is replaced by whole values, so a panic elsewhere left it whole.
    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutualTls")
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}
