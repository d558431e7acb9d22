//! What all requests share.

use std::time::Duration;

use crate::accounts::Accounts;
use crate::auth::AuthMode;
use crate::catalog::Catalog;
use crate::fault::FaultBoard;
use crate::playback::Reports;
use crate::request_log::RequestLog;
use crate::user_data::UserDataStore;

pub(crate) struct SimState {
    pub(crate) catalog: Catalog,
    pub(crate) accounts: Accounts,
    pub(crate) user_data: UserDataStore,
    /// Which Jellyfin to be.
    pub(crate) version: AuthMode,
    pub(crate) stream_needs_auth: bool,
    pub(crate) min_resume_duration: Duration,
    pub(crate) api_key: String,
    pub(crate) base_url: String,
    pub(crate) faults: FaultBoard,
    pub(crate) log: RequestLog,
    pub(crate) reports: Reports,
}
