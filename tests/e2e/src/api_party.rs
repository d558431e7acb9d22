//! A party, driven over the party API.

use std::time::Duration;

use discord_sim::DiscordSim;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::ears::Ears;
use crate::event_stream::EventStream;
use crate::party::Party;
use crate::waiting::until;

/// Accounts and workers are there by then.
const ADMITTED_WITHIN: Duration = Duration::from_secs(10);

/// Events of a page; no test makes more.
const PAGE: usize = 500;

/// One party in one guild. It is the same session as the [`Party`] of that guild.
#[derive(Clone)]
pub struct ApiParty {
    api: Api,
    party: Party,
}

impl ApiParty {
    /// Creates the party, with these fields beside the ids. Tries again as a client does while accounts are still on
    /// their way.
    pub async fn create(api: &Api, guild: u64, further: Value) -> Self {
        let party = Self::known(api, guild);
        let mut body = party.create_body();
        for (name, value) in further.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        until(
            "POST /api/v1/parties to be 201",
            ADMITTED_WITHIN,
            async || {
                let answer = api.post("/api/v1/parties", &body).await;
                (answer.code != 503).then(|| answer.expect_code(201))
            },
        )
        .await;
        party
    }

    /// The same where the party exists, whoever made it.
    pub fn known(api: &Api, guild: u64) -> Self {
        Self {
            api: api.clone(),
            party: Party::known(api, guild),
        }
    }

    /// The body that creates it.
    pub fn create_body(&self) -> Value {
        let mut body = self.party.create_body();
        if let Some(fields) = body.as_object_mut() {
            let id = fields.remove("sessionId").unwrap_or_default();
            fields.insert("id".to_owned(), id);
        }
        body
    }

    /// The same party, by way of another server.
    #[must_use]
    pub fn at(&self, api: &Api) -> Self {
        Self {
            api: api.clone(),
            party: self.party.at(api),
        }
    }

    /// The same party, over the worker contract.
    pub fn contract(&self) -> &Party {
        &self.party
    }

    /// Its member.
    pub fn ears<'a>(&self, sim: &'a DiscordSim) -> Ears<'a> {
        self.party.ears(sim)
    }

    /// Its path, or that of one of its parts: `/queue`.
    pub fn path(&self, part: &str) -> String {
        format!("/api/v1/parties/{}{part}", self.party.id())
    }

    /// The party as it is.
    pub async fn get(&self) -> Answer {
        self.api.get(&self.path("")).await.expect_code(200)
    }

    /// POST of one of its calls: `skip`, `queue`.
    pub async fn post(&self, call: &str, body: &Value) -> Answer {
        self.post_with(call, body, &[]).await
    }

    /// The same with further headers.
    pub async fn post_with(&self, call: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let path = self.path(&format!("/{call}"));
        self.api
            .call(Method::POST, &path, Some(body), headers)
            .await
    }

    /// The same without a body, done or under way. Tries again as a client does while workers are still on their way.
    pub async fn act(&self, call: &str) -> Answer {
        let answer = until("room on a worker", ADMITTED_WITHIN, async || {
            let answer = self.post(call, &json!({})).await;
            (answer.code != 503).then_some(answer)
        })
        .await;
        assert!(matches!(answer.code, 200 | 202), "answer: {}", answer.text);
        answer
    }

    /// The queue.
    pub async fn queue(&self) -> Answer {
        self.api.get(&self.path("/queue")).await.expect_code(200)
    }

    /// The queue's entries, each as `"<entryId> <status>"`.
    pub async fn entries(&self) -> Vec<String> {
        entries_of(&self.queue().await)
    }

    /// Adds items to the queue, and gives the ids of their entries.
    pub async fn add(&self, items: &[&str]) -> Vec<u64> {
        let answer = self.post("queue", &json!({ "itemIds": items })).await;
        added(&answer.expect_code(201))
    }

    /// Another call on the queue: `Method::DELETE` of `/queue/4`.
    pub async fn edit(
        &self,
        method: Method,
        part: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.api.call(method, &self.path(part), body, headers).await
    }

    /// DELETE: ends the party.
    pub async fn end(&self) -> Answer {
        self.edit(Method::DELETE, "", None, &[]).await
    }

    /// What happened, all of it and oldest first.
    pub async fn events(&self) -> Vec<Value> {
        let path = self.path(&format!("/events?limit={PAGE}"));
        let answer = self.api.get(&path).await.expect_code(200);
        assert_eq!(answer.body["next"], Value::Null, "more than {PAGE} events");
        let events = answer.body["events"].as_array();
        events.expect("a page has events").clone()
    }

    /// What happens, as it happens: behind the event with this id, or from now on.
    pub async fn listen(&self, last_event_id: Option<i64>) -> EventStream {
        let id = last_event_id.map(|id| id.to_string());
        let headers: Vec<_> = id.iter().map(|id| ("Last-Event-ID", id.as_str())).collect();
        let response = self.api.open_stream(&self.path("/events"), &headers).await;
        EventStream::read(response)
    }

    /// Waits for a `playbackState`, and gives the first answer that has it.
    pub async fn becomes(&self, state: &str, within: Duration) -> Answer {
        self.becomes_so(&format!("playbackState {state}"), within, |party| {
            party.text_of("playbackState") == state
        })
        .await
    }

    /// Waits until this entry plays.
    pub async fn plays(&self, entry: u64, within: Duration) -> Answer {
        self.becomes_so(&format!("entry {entry} to play"), within, |party| {
            party.body["entryId"] == entry && party.text_of("playbackState") == "playing"
        })
        .await
    }

    /// Waits for a party that fits.
    pub async fn becomes_so(
        &self,
        what: &str,
        within: Duration,
        fits: impl Fn(&Answer) -> bool,
    ) -> Answer {
        self.api.get_until(&self.path(""), what, within, fits).await
    }
}

/// The entries of an answer that has a queue, each as `"<entryId> <status>"`.
pub fn entries_of(answer: &Answer) -> Vec<String> {
    let entries = answer.body["entries"].as_array();
    let entries = entries.unwrap_or_else(|| panic!("no queue: {}", answer.text));
    entries
        .iter()
        .map(|entry| {
            let status = entry["status"].as_str().unwrap_or_default();
            format!("{} {status}", entry["entryId"])
        })
        .collect()
}

/// The ids that an answer says were added.
pub fn added(answer: &Answer) -> Vec<u64> {
    let ids = answer.body["added"].as_array();
    let ids = ids.unwrap_or_else(|| panic!("nothing was added: {}", answer.text));
    ids.iter().filter_map(Value::as_u64).collect()
}
