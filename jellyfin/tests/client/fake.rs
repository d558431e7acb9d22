//! A server that answers what a test tells it to, byte for byte if need be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orb_jellyfin::client::{JellyfinClient, JellyfinConfig, Timeouts};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The API key of all tests here: to be found nowhere but in the header.
pub(crate) const KEY: &str = "k3y-0f-the-0perator";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
    /// The whole head, for what should not be in it.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// What to answer.
pub(crate) enum Reply {
    Json(u16, Value),
    /// Status, a header line, a body.
    Text(u16, &'static str, &'static str),
    /// Whatever these bytes are.
    Raw(Vec<u8>),
    /// These bytes, and then nothing.
    Stalled(Vec<u8>),
    /// A body that never ends, sent as long as somebody reads.
    Endless,
    /// Nothing, and the connection stays open.
    Silence,
    /// Later.
    After(Duration, Box<Reply>),
}

type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

pub(crate) struct Fake {
    pub(crate) origin: String,
    log: Arc<Log>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    requests: Mutex<Vec<Request>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fake {
    /// A server that is asked `script(request, number)` for all; requests of one target are numbered from 0.
    pub(crate) async fn of(
        script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Log::default());
        let (script, book): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&log));
        let server = tokio::spawn(async move {
            // Aborted with its connections.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&script), Arc::clone(&book)));
            }
        });
        Self {
            origin,
            log,
            server,
        }
    }

    /// A Jellyfin of today with one administrator; `script` answers all the rest.
    pub(crate) async fn jellyfin(
        script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::of(move |request, number| match request.path() {
            "/System/Info/Public" => public_info("12.1.0"),
            "/Users" => Reply::Json(
                200,
                json!([{"Id": "u1", "Name": "root", "Policy": {"IsAdministrator": true}}]),
            ),
            _ => script(request, number),
        })
        .await
    }

    pub(crate) fn config(&self) -> JellyfinConfig {
        let mut config = JellyfinConfig::new(&self.origin, SecretString::from(KEY)).unwrap();
        config.timeouts = Timeouts {
            // For the tests that wait for it; the others are done long before.
            request: Duration::from_secs(2),
            ..Timeouts::default()
        };
        config
    }

    pub(crate) fn client(&self) -> JellyfinClient {
        JellyfinClient::new(self.config()).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.requests.lock().unwrap().clone()
    }

    /// How many requests were under way at once, at the most.
    pub(crate) fn most_under_way(&self) -> usize {
        self.log.most_under_way.load(Ordering::SeqCst)
    }

    /// How many requests had this path.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|r| r.path() == path).count()
    }
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.into_owned())
    }
}

pub(crate) fn public_info(version: &str) -> Reply {
    let info = json!({"Id": "s1", "ServerName": "home", "ProductName": "Jellyfin Server",
                      "Version": version});
    Reply::Json(200, info)
}

/// A movie with the id `id`.
pub(crate) fn movie(id: &str) -> Reply {
    let movie =
        json!({"Id": id, "Type": "Movie", "Name": "Film", "RunTimeTicks": 60_000_000_000_i64});
    Reply::Json(200, movie)
}

/// A list of `count` movies, of which there are `total`.
pub(crate) fn movies(first: usize, count: usize, total: usize) -> Reply {
    let movies = (first..first + count)
        .map(|i| json!({"Id": format!("m{i}"), "Type": "Movie", "Name": format!("Film {i}")}))
        .collect::<Vec<_>>();
    let page = json!({"Items": movies, "TotalRecordCount": total, "StartIndex": first});
    Reply::Json(200, page)
}

/// One request a connection.
async fn serve(stream: TcpStream, script: Arc<Script>, log: Arc<Log>) {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let number = {
        let mut requests = log.requests.lock().unwrap();
        let number = requests
            .iter()
            .filter(|r| r.target == request.target)
            .count();
        requests.push(request.clone());
        number
    };
    let under_way = log.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    log.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    let mut reply = script(&request, number);
    if let Reply::After(pause, later) = reply {
        tokio::time::sleep(pause).await;
        reply = *later;
    }
    // Before the answer: whoever has read it may ask again at once.
    log.under_way.fetch_sub(1, Ordering::SeqCst);
    // Whoever hangs up has seen enough.
    let _ = write(&mut stream, reply).await;
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let length = header("content-length").map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut first = head.split(' ');
    Some(Request {
        method: first.next()?.to_owned(),
        target: first.next()?.to_owned(),
        authorization: header("authorization"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        head,
    })
}

async fn write(stream: &mut BufReader<TcpStream>, reply: Reply) -> std::io::Result<()> {
    let bytes = match reply {
        Reply::Json(status, json) => {
            let body = json.to_string();
            let kind = "Content-Type: application/json; charset=utf-8";
            response(status, kind, &body)
        }
        Reply::Text(status, header, body) => response(status, header, body),
        Reply::Raw(bytes) => bytes,
        Reply::Endless => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 8192]).await?;
            }
        }
        Reply::Stalled(bytes) => {
            stream.write_all(&bytes).await?;
            std::future::pending().await
        }
        Reply::Silence => std::future::pending().await,
        Reply::After(..) => unreachable!("waited for above, once"),
    };
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

fn response(status: u16, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} x\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
