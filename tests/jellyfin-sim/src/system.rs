//! `/System…`, `/Users…` and `/Sessions…`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::auth::{Caller, client_header, parameter};
use crate::library::SERVER_ID;
use crate::state::{PlaybackEvent, PlaybackReport, SimState};

/// The one user; the password is the name.
pub(crate) const USER_NAME: &str = "orb";
const USER_ID: &str = "75736572000000000000000000000001";

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
        "Version": state.auth.server_version(),
        "OperatingSystem": "",
        "LocalAddress": state.base_url,
        "StartupWizardCompleted": true,
    })
}

fn user() -> Value {
    json!({
        "Id": USER_ID,
        "Name": USER_NAME,
        "ServerId": SERVER_ID,
        "HasPassword": true,
        "HasConfiguredPassword": true,
        "HasConfiguredEasyPassword": false,
        "EnableAutoLogin": false,
        "Policy": {
            "IsAdministrator": false, "IsDisabled": false, "IsHidden": false,
            "EnableMediaPlayback": true, "EnableContentDownloading": true,
            "EnableAllFolders": true, "EnableAllDevices": true,
            "AuthenticationProviderId": "Jellyfin.Server.Implementations.Users.DefaultAuthenticationProvider",
            "PasswordResetProviderId": "Jellyfin.Server.Implementations.Users.DefaultPasswordResetProvider",
        },
    })
}

/// `GET /Users/Me`: an API key is nobody, which Jellyfin answers with 400.
pub(crate) async fn me(caller: Caller) -> Response {
    match caller {
        Caller::User => Json(user()).into_response(),
        Caller::ApiKey => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// `POST /Users/AuthenticateByName`. The client has to say who it is in the `Authorization` header
/// (no token yet), else Jellyfin refuses the request itself.
pub(crate) async fn authenticate(
    State(state): State<Arc<SimState>>,
    headers: HeaderMap,
    Json(login): Json<Map<String, Value>>,
) -> Result<Json<Value>, StatusCode> {
    let client = client_header(state.auth, &headers).ok_or(StatusCode::BAD_REQUEST)?;
    let say = |name| parameter(client, name).filter(|v| !v.is_empty());
    let session = json!({
        "UserId": USER_ID,
        "UserName": USER_NAME,
        "Client": say("Client").ok_or(StatusCode::BAD_REQUEST)?,
        "DeviceName": say("Device").ok_or(StatusCode::BAD_REQUEST)?,
        "DeviceId": say("DeviceId").ok_or(StatusCode::BAD_REQUEST)?,
        "ApplicationVersion": say("Version").ok_or(StatusCode::BAD_REQUEST)?,
        "ServerId": SERVER_ID,
        "IsActive": true,
    });
    // ASP.NET reads the names of JSON without case, and clients rely on it.
    let said = |wanted: &str| {
        let field = login
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        field
            .and_then(|(_, value)| value.as_str())
            .ok_or(StatusCode::BAD_REQUEST)
    };
    let (name, password) = (said("Username")?, said("Pw")?);
    if !name.eq_ignore_ascii_case(USER_NAME) || password != USER_NAME {
        return Err(StatusCode::UNAUTHORIZED);
    }
    Ok(Json(json!({
        "User": user(),
        "SessionInfo": session,
        "AccessToken": state.user_token,
        "ServerId": SERVER_ID,
    })))
}

pub(crate) async fn playing(
    state: State<Arc<SimState>>,
    _: Caller,
    body: Json<Value>,
) -> StatusCode {
    report(&state, PlaybackEvent::Started, body)
}

pub(crate) async fn progress(
    state: State<Arc<SimState>>,
    _: Caller,
    body: Json<Value>,
) -> StatusCode {
    report(&state, PlaybackEvent::Progress, body)
}

pub(crate) async fn stopped(
    state: State<Arc<SimState>>,
    _: Caller,
    body: Json<Value>,
) -> StatusCode {
    report(&state, PlaybackEvent::Stopped, body)
}

fn report(state: &SimState, event: PlaybackEvent, Json(body): Json<Value>) -> StatusCode {
    state.reports.add(PlaybackReport { event, body });
    StatusCode::NO_CONTENT
}
