//! What happened in a party: as a page, or as server-sent events while it happens.

use std::{ops::RangeInclusive, sync::Arc};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, future, stream};
use orb_proto::v1::Event;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::{event_row::EventRow, pace::Pace, party::Party};
use crate::{
    app::Gateway,
    problem::Problem,
    query::Query,
    serve::Closing,
    session_id::{SessionId, SessionPath},
    sse,
};

const LIMITS: RangeInclusive<i64> = 1..=500;
const USUAL_LIMIT: i64 = 100;

/// Events of a party, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<EventRow>,
    /// There are more: ask again with this as `after`.
    #[schema(required)]
    next: Option<i64>,
}

/// Documents the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents the query; it is read field by field")]
pub(super) struct EventsQuery {
    /// Only events after the one with this id. A page: from the first, where missing; a stream: from now on.
    #[param(minimum = 0, example = 17)]
    after: Option<i64>,
    /// At most so many, in a page.
    #[param(minimum = 1, maximum = 500, example = 100)]
    limit: Option<i64>,
}

/// Documents the header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents the header")]
pub(super) struct LastEventId {
    /// `id` of the last event that was received: a stream goes on behind it, without a hole. Counts before `after`.
    #[param(rename = "Last-Event-ID", pattern = "^[0-9]{1,18}$", example = "17")]
    last_event_id: Option<String>,
}

/// What happened, as a page; with `Accept: text/event-stream` what happens, as it happens.
///
/// The stream has two kinds of events. Those of the party's history bear an `id` and their type as `event`, each has
/// the same JSON as in the page, and each comes once, in order. `event: state` bears no `id` and is the party as it is:
/// at once, at every change, and each second while it plays; of changes that follow closely a slow reader may be told
/// the last only.
#[utoipa::path(get, operation_id = "listEvents", path = "/api/v1/parties/{id}/events", tag = "parties",
    params(SessionPath, EventsQuery, LastEventId),
    responses((status = 200, description = "The page, or the stream.", content(
        (Events = "application/json"),
        (String = "text/event-stream", example = "event: state\ndata: {\"id\":\"friday\"}\n\nid: 17\nevent: pause\ndata: {\"id\":17}\n\n"),
    ))))]
pub(super) async fn events(
    State(gateway): State<Arc<Gateway>>,
    closing: Option<Extension<Closing>>,
    id: SessionId,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = query.integer("after", 0..=i64::MAX)?;
    let limit = query.integer("limit", LIMITS)?.unwrap_or(USUAL_LIMIT);
    let last = last_event_id(&headers)?;
    if wants_stream(&headers) {
        return stream(&gateway, &id, last.or(after), closing).await;
    }
    let after = after.unwrap_or_default();
    let page = gateway
        .scheduler
        .events(&id, after, limit.unsigned_abs() as u32)
        .await?;
    let next = page.events.last().filter(|_| page.more);
    Ok(Json(Events {
        next: next.map(|event| event.id),
        events: page.events.iter().map(EventRow::from).collect(),
    })
    .into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("text/event-stream")
        })
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers
        .get("last-event-id")
        .filter(|value| !value.is_empty())
    else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.filter(|id| *id >= 0).map(Some).ok_or_else(|| {
        let rule = "Last-Event-ID must be the id of an event";
        Problem::invalid_field("Last-Event-ID", rule)
    })
}

async fn stream(
    gateway: &Gateway,
    id: &SessionId,
    after: Option<i64>,
    closing: Option<Extension<Closing>>,
) -> Result<Response, Problem> {
    let (states, events) =
        tokio::try_join!(gateway.feeds.states(id), gateway.feeds.events(id, after))?;
    let mut pace = Pace::default();
    let states = states
        .filter(move |session| future::ready(pace.tells(session, Instant::now())))
        .map(|session| sse::event(&Party::from(session)).event("state"));
    let events = events.map(|event| row(&event));
    // The party is gone when either is.
    let end = || stream::once(future::ready(None));
    let all = stream::select(states.map(Some).chain(end()), events.map(Some).chain(end()));
    Ok(sse::answer(
        all.take_while(|one| future::ready(one.is_some()))
            .filter_map(future::ready),
        closing,
    ))
}

fn row(event: &Event) -> axum::response::sse::Event {
    // The scheduler's types are words; anything else would end the line that it stands in.
    let word = |c: &char| c.is_ascii_graphic();
    let kind: String = event.event_type.chars().filter(word).collect();
    sse::event(&EventRow::from(event))
        .id(event.id.to_string())
        .event(kind)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_stream_is_what_asks_for_one() {
        for (accept, stream) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_stream(&headers), stream, "{accept}");
        }
        assert!(!wants_stream(&HeaderMap::new()));
    }
}
