//! How we introduce ourselves to Jellyfin.

/// Who asks, as the `Authorization` header says it. Jellyfin makes one session of each pair of client
/// and `device_id`: two parties that report progress need two ids (see
/// [`PlaybackReport`](crate::client::PlaybackReport)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// The program. Under an API key Jellyfin shows the key's name in its place.
    pub client: String,
    /// The device's name, as Jellyfin's dashboard shows it.
    pub device: String,
    /// What tells devices apart. Never empty, Jellyfin takes its own id then.
    pub device_id: String,
    /// The program's version.
    pub version: String,
}

impl Default for DeviceIdentity {
    fn default() -> Self {
        Self {
            client: "Orb Stream".into(),
            device: "Orb worker".into(),
            device_id: "orb-stream".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
