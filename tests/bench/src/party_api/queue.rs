//! A party's queue, as a caller of the party API has it.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jellyfin_sim::GeneratedLibrary;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::party::{Api, Party};

/// The queue of one party.
#[derive(Clone)]
pub(super) struct Queue {
    api: Api,
    path: String,
}

impl Queue {
    /// Of a party that there is.
    pub(super) fn of(party: &Party, api: &Api) -> Self {
        Self {
            api: api.clone(),
            path: format!("/api/v1/parties/{}", party.id()),
        }
    }

    /// Adds these films of the library; their entries.
    pub(super) async fn add(&self, films: Range<u32>) -> Result<Vec<u64>> {
        let ids: Vec<_> = films.map(GeneratedLibrary::item_id).collect();
        let body = json!({ "itemIds": ids });
        let added = self.edit(Method::POST, "/queue", &body).await?;
        numbers(added["added"].as_array())
    }

    /// Puts all that waits in this order; how long that took.
    pub(super) async fn reorder(&self, entries: &[u64]) -> Result<Duration> {
        let body = json!({ "entryIds": entries });
        let asked = Instant::now();
        let queue = self.edit(Method::PUT, "/queue/order", &body).await?;
        let took = asked.elapsed();
        let listed = queue["entries"].as_array().into_iter().flatten();
        if !listed.map(|entry| &entry["entryId"]).eq(entries) {
            bail!("the queue is in another order than asked for: {queue}");
        }
        Ok(took)
    }

    /// Moves an entry among those that wait.
    pub(super) async fn shift(&self, entry: u64, to_index: usize) -> Result<()> {
        let body = json!({ "toIndex": to_index });
        let path = format!("/queue/{entry}/move");
        self.edit(Method::POST, &path, &body).await.map(drop)
    }

    /// Plays its head.
    pub(super) async fn play(&self) -> Result<()> {
        self.edit(Method::POST, "/play", &json!({})).await.map(drop)
    }

    /// Listens to what happens.
    pub(super) async fn listen(&self) -> Result<Response> {
        self.api.listen(&format!("{}/events", self.path)).await
    }

    async fn edit(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let path = format!("{}{path}", self.path);
        let (code, answer) = self.api.call(method.clone(), &path, Some(body)).await?;
        if !matches!(
            code,
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED
        ) {
            bail!("{method} {path}: {code} {answer}");
        }
        Ok(answer)
    }
}

fn numbers(list: Option<&Vec<Value>>) -> Result<Vec<u64>> {
    let list = list.context("the answer names the entries that were added")?;
    let numbers = list
        .iter()
        .map(|id| id.as_u64().context("an entry has a number"));
    numbers.collect()
}
