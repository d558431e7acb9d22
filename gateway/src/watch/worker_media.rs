//! The HTTP client towards workers: plain, or with certificates on both ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use orb_proto::v1::LocateWatchResponse;
use orb_tls::{ClientConfig, Finding, MutualTls};
use reqwest::redirect;
use url::Url;

use crate::problem::Problem;

/// A worker is in the same network; one that takes longer is not there any more.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest silence of a worker, before the first byte or in the middle. A player has given up by then.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches from workers. Clones share connections.
#[derive(Clone)]
pub(crate) struct WorkerMedia(Arc<Way>);

enum Way {
    Plain(reqwest::Client),
    Encrypted {
        tls: MutualTls,
        /// Made anew when the certificates are: connections that showed the old ones are not used again.
        latest: Mutex<Option<(Arc<ClientConfig>, reqwest::Client)>>,
    },
}

impl WorkerMedia {
    pub(crate) fn new(tls: Option<MutualTls>) -> Self {
        Self(Arc::new(match tls {
            None => Way::Plain(client(None)),
            Some(tls) => Way::Encrypted {
                tls,
                latest: Mutex::default(),
            },
        }))
    }

    pub(super) async fn fetch(
        &self,
        output: &LocateWatchResponse,
        path: &[&str],
    ) -> Result<reqwest::Response, Problem> {
        let url = media_url(&output.worker_url, path).ok_or_else(Problem::internal)?;
        let client = self.client_for(&url).await.map_err(|finding| {
            tracing::warn!(worker = url.authority(), %finding, "media not fetched");
            unavailable()
        })?;
        let request = client.get(url).bearer_auth(&output.worker_token);
        let response = request.send().await.map_err(|error| {
            let finding = Finding::behind(&error).map(tracing::field::display);
            // Without the URL: it is of no use to a reader of the log who is not inside the cluster.
            tracing::warn!(error = %error.without_url(), finding, "worker not reachable for media");
            unavailable()
        })?;
        match response.status().as_u16() {
            200 => Ok(response),
            404 => Err(media_not_found()),
            status => {
                tracing::warn!(status, "worker refused media");
                Err(unavailable())
            }
        }
    }

    /// Never one that would send the worker's token in the clear where certificates are configured.
    async fn client_for(&self, url: &Url) -> Result<reqwest::Client, Finding> {
        match (&*self.0, url.scheme()) {
            (Way::Plain(client), "http") => Ok(client.clone()),
            (Way::Plain(_), _) => Err(Finding::WantsTls),
            (Way::Encrypted { .. }, "http") => Err(Finding::NoTls),
            (Way::Encrypted { tls, latest }, _) => {
                let config = tls.http_client_config().await;
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((known, client)) = &*latest
                    && Arc::ptr_eq(known, &config)
                {
                    return Ok(client.clone());
                }
                let client = client(Some((*config).clone()));
                *latest = Some((config, client.clone()));
                Ok(client)
            }
        }
    }
}

fn client(tls: Option<ClientConfig>) -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        // A worker never redirects; following one would carry its token elsewhere.
        .redirect(redirect::Policy::none())
        .no_proxy();
    let builder = match tls {
        Some(config) => builder.use_preconfigured_tls(config),
        // Nothing but plain http is spoken then, so no root certificates are needed.
        None => builder.tls_built_in_root_certs(false),
    };
    builder.build().expect(
        "neither a ready TLS configuration nor one without certificates has anything that can fail",
    )
}

fn media_url(worker: &str, path: &[&str]) -> Option<Url> {
    let mut url = Url::parse(worker).ok()?;
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .push("watch")
        .extend(path);
    Some(url)
}

pub(super) fn media_not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "media_not_found",
        "there is no such segment; load the playlist again",
    )
}

fn unavailable() -> Problem {
    let detail = "the worker that makes the picture cannot be reached; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "watch_unavailable", detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn media_urls_stay_below_the_workers_watch_path() {
        let url = |worker, path: &[&str]| media_url(worker, path).unwrap().to_string();
        assert_eq!(
            url("http://10.0.0.7:9000", &["456", "index.m3u8"]),
            "http://10.0.0.7:9000/watch/456/index.m3u8"
        );
        assert_eq!(
            url("http://w:1/base/", &["a:b", "1", "2.m4s"]),
            "http://w:1/base/watch/a:b/1/2.m4s"
        );
        assert!(media_url("not a url", &["456"]).is_none());
    }

    #[tokio::test]
    async fn nothing_is_sent_in_the_clear_that_should_not_be() {
        let plain = WorkerMedia::new(None);
        let url = |text: &str| Url::parse(text).unwrap();
        plain.client_for(&url("http://w:1")).await.unwrap();
        let refused = plain.client_for(&url("https://w:1")).await.unwrap_err();
        assert_eq!(refused, Finding::WantsTls);
    }
}
