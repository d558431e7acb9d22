//! `/System…`, `/Users…` and logging in and out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::accounts::{Accounts, Device, UserIndex};
use crate::auth::{Caller, client_header, find_token, parameter};
use crate::body::Body;
use crate::dto::SERVER_ID;
use crate::query::Query;
use crate::state::SimState;
use crate::viewer::{ItemId, PROCESSING_ERROR};

pub(crate) async fn public_info(State(state): State<Arc<SimState>>) -> Json<Value> {
    Json(system_info(&state))
}

pub(crate) async fn info(State(state): State<Arc<SimState>>, _: Caller) -> Json<Value> {
    let mut info = system_info(&state);
    info["HasPendingRestart"] = false.into();
    info["IsShuttingDown"] = false.into();
    info["SupportsLibraryMonitor"] = true.into();
    Json(info)
}

fn system_info(state: &SimState) -> Value {
    json!({
        "Id": SERVER_ID,
        "ServerName": "jellyfin-sim",
        "ProductName": "Jellyfin Server",
        "Version": state.version.server_version(),
        "OperatingSystem": "",
        "LocalAddress": state.base_url,
        "StartupWizardCompleted": true,
    })
}

/// `GET`, `POST /System/Ping`.
pub(crate) async fn ping() -> Json<&'static str> {
    Json("Jellyfin Server")
}

fn user_dto(state: &SimState, user: UserIndex) -> Value {
    let account = state.accounts.get(user);
    json!({
        "Id": Accounts::id(user),
        "Name": account.name,
        "ServerId": SERVER_ID,
        "HasPassword": true,
        "HasConfiguredPassword": true,
        "HasConfiguredEasyPassword": false,
        "EnableAutoLogin": false,
        "Configuration": {
            "DisplayMissingEpisodes": false, "PlayDefaultAudioTrack": true,
            "RememberAudioSelections": true, "RememberSubtitleSelections": true,
        },
        "Policy": {
            "IsAdministrator": account.administrator, "IsDisabled": false, "IsHidden": false,
            "EnableMediaPlayback": true, "EnableContentDownloading": true,
            "EnableAllFolders": true, "EnableAllDevices": true,
            "AuthenticationProviderId": "Jellyfin.Server.Implementations.Users.DefaultAuthenticationProvider",
            "PasswordResetProviderId": "Jellyfin.Server.Implementations.Users.DefaultPasswordResetProvider",
        },
    })
}

/// `GET /Users`.
pub(crate) async fn users(State(state): State<Arc<SimState>>, _: Caller) -> Json<Value> {
    let users = state.accounts.users();
    Json(users.map(|user| user_dto(&state, user)).collect())
}

/// `GET /Users/Public`: who may be shown to whoever is not logged in yet.
pub(crate) async fn public_users(State(state): State<Arc<SimState>>) -> Json<Value> {
    let users = state.accounts.users();
    Json(users.map(|user| user_dto(&state, user)).collect())
}

/// `GET /Users/{id}`.
pub(crate) async fn user(
    State(state): State<Arc<SimState>>,
    _: Caller,
    ItemId(id): ItemId,
) -> Result<Json<Value>, StatusCode> {
    let user = state.accounts.by_id(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(user_dto(&state, user)))
}

/// `GET /Users/Me`: an API key is nobody, which Jellyfin answers with 400.
pub(crate) async fn me(State(state): State<Arc<SimState>>, caller: Caller) -> Response {
    match caller.user() {
        Some(user) => Json(user_dto(&state, user)).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// `POST /Users/AuthenticateByName`. The client has to say who it is in the `Authorization` header
/// (no token yet), else Jellyfin refuses the request itself.
pub(crate) async fn authenticate(
    State(state): State<Arc<SimState>>,
    headers: HeaderMap,
    login: Body,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let bad_request = (StatusCode::BAD_REQUEST, PROCESSING_ERROR);
    let device = client_header(state.version, &headers).and_then(device_of);
    let device = device.ok_or(bad_request)?;
    let name = login.text("Username").ok_or(bad_request)?;
    let password = login.text("Pw").unwrap_or_default();
    let user = state.accounts.by_name(name);
    let user = user.filter(|&user| state.accounts.get(user).password == password);
    let user = user.ok_or((StatusCode::UNAUTHORIZED, PROCESSING_ERROR))?;
    Ok(Json(json!({
        "User": user_dto(&state, user),
        "SessionInfo": session_dto(&state, user, &device),
        "AccessToken": state.accounts.log_in(user, &device.id),
        "ServerId": SERVER_ID,
    })))
}

fn device_of(header: &str) -> Option<Device> {
    let say = |name| parameter(header, name).filter(|value| !value.is_empty());
    Some(Device {
        client: say("Client")?,
        name: say("Device")?,
        id: say("DeviceId")?,
        version: say("Version")?,
    })
}

fn session_dto(state: &SimState, user: UserIndex, device: &Device) -> Value {
    json!({
        "Id": crate::ids::derived(&format!("{user}/{}/{}", device.id, device.client)),
        "UserId": Accounts::id(user),
        "UserName": state.accounts.get(user).name,
        "Client": device.client,
        "DeviceName": device.name,
        "DeviceId": device.id,
        "ApplicationVersion": device.version,
        "ServerId": SERVER_ID,
        "PlayState": { "CanSeek": false, "IsPaused": false, "IsMuted": false, "RepeatMode": "RepeatNone",
            "PlaybackOrder": "Default" },
        "AdditionalUsers": [],
        "PlayableMediaTypes": [],
        "NowPlayingQueue": [],
        "SupportedCommands": [],
        "LastActivityDate": crate::user_data::date(std::time::SystemTime::now()),
        "LastPlaybackCheckIn": "0001-01-01T00:00:00.0000000Z",
        "IsActive": true,
        "SupportsMediaControl": false,
        "SupportsRemoteControl": false,
        "HasCustomDeviceName": false,
    })
}

/// `POST /Sessions/Logout`: the token ends.
pub(crate) async fn log_out(
    State(state): State<Arc<SimState>>,
    _: Caller,
    parts: Parts,
) -> StatusCode {
    let token = find_token(state.version, &parts.headers, &Query::of(&parts.uri));
    if let Some((token, _)) = token {
        state.accounts.log_out(&token);
    }
    StatusCode::NO_CONTENT
}
