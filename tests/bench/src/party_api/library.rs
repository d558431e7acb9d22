//! Searches in a library of 20,000 films: HTTP in to answer.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::form_urlencoded;

use super::FILMS;
use crate::party::Api;
use crate::process_cost::{resident_mb, settled_mb};
use crate::report::Measurement;
use crate::stage::Stage;
use crate::statistics::Samples;

/// All different, so that nothing that was kept answers one.
const SEARCHES: usize = 200;

/// What a page of the CLI or the page shows.
const SHOWN: u32 = 50;

/// Titles that searches are made of, from all over the library.
const TITLES: u32 = 200;

pub(super) async fn measure(stage: &Stage) -> Result<Vec<Measurement>> {
    eprintln!("library: {SEARCHES} searches in {FILMS} films");
    let terms = terms(stage.api()).await?;
    let before = settled_mb(stage.gateway_pid()).await?;
    let mut searches = Samples::default();
    for term in &terms {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("q", term)
            .append_pair("limit", &SHOWN.to_string())
            .finish();
        let asked = Instant::now();
        let page = get(stage.api(), &format!("search?{query}")).await?;
        searches.push_ms(asked.elapsed());
        if page["total"] == 0 {
            bail!("the search for {term} finds nothing");
        }
    }
    let grown = resident_mb(stage.gateway_pid())? - before;
    let detail = format!(
        "{SEARCHES} different searches by words and titles, HTTP in to answer, pages of {SHOWN}: {}; the gateway \
         grew by {grown:.1} MB",
        searches.describe()
    );
    let p99 = searches.percentile(99.0);
    Ok(vec![
        Measurement::new("library_search_20000_p99_ms", p99, "ms", detail).at_most(300.0),
    ])
}

/// Words of titles, which many films have, and then whole titles.
async fn terms(api: &Api) -> Result<BTreeSet<String>> {
    let (mut words, mut whole) = (BTreeSet::new(), BTreeSet::new());
    for start in (0..FILMS).step_by((FILMS / TITLES) as usize) {
        let path = format!("search?kinds=movie&start={start}&limit=1");
        let page = get(api, &path).await?;
        let title = page["items"][0]["title"].as_str().unwrap_or_default();
        words.extend(
            title
                .split(' ')
                .filter(|word| word.len() > 3)
                .map(str::to_owned),
        );
        whole.insert(title.to_owned());
    }
    words.extend(whole);
    if words.len() < SEARCHES {
        bail!(
            "the library has only {} words and titles to search for",
            words.len()
        );
    }
    // By their last letter, so that words and titles take turns.
    let mut mixed: Vec<_> = words.into_iter().collect();
    mixed.sort_by_key(|term| term.chars().rev().collect::<String>());
    Ok(mixed.into_iter().take(SEARCHES).collect())
}

async fn get(api: &Api, path: &str) -> Result<Value> {
    let path = format!("/api/v1/library/{path}");
    let (code, answer) = api.call(Method::GET, &path, None).await?;
    if code != StatusCode::OK {
        bail!("GET {path}: {code} {answer}");
    }
    Ok(answer)
}
