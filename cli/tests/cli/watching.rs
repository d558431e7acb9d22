//! `status --watch` and `events --follow` where no terminal is: a line at each change.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::support::{Client, Ended, StandIn, party};

const WITHIN: Duration = Duration::from_secs(20);

struct Watching {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(server: &StandIn, arguments: &[&str]) -> Self {
        let mut child = Client::of(&server.url).start(arguments);
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(WITHIN, self.stdout.next_line()).await;
        line.expect("a line in time")
            .unwrap()
            .expect("a line before the end")
    }

    async fn notice(&mut self) -> String {
        let line = tokio::time::timeout(WITHIN, self.stderr.next_line()).await;
        line.expect("a notice in time")
            .unwrap()
            .expect("a notice before the end")
    }

    async fn end(self) -> Ended {
        let output = tokio::time::timeout(WITHIN, self.child.wait_with_output()).await;
        Ended::of(output.expect("it ends").unwrap())
    }

    /// As Ctrl-C does.
    fn interrupt(&self) {
        let pid = self.child.id().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args(["-INT", &pid])
            .stdin(Stdio::null())
            .status();
        assert!(kill.unwrap().success());
    }
}

fn state(changes: &Value) -> String {
    let mut party = party();
    for (name, value) in changes.as_object().unwrap() {
        party[name] = value.clone();
    }
    format!("event: state\ndata: {party}\n\n")
}

#[tokio::test]
async fn a_line_at_each_change_until_the_party_ends() {
    let server = StandIn::start().await;
    let stream = server.stream();
    let mut watching = Watching::start(&server, &["party", "status", "--watch"]);
    stream.send(": hello\n\n".into()).unwrap();
    stream.send(state(&json!({ "queued": 0 }))).unwrap();
    let playing = "playing  千と千尋の神隠し  1:03 / 2:05:00  queue empty  worker connected";
    assert_eq!(watching.line().await, playing);
    // A position alone is no change; what happened is told by the state that follows it.
    stream
        .send(state(&json!({ "queued": 0, "positionMs": 65_000 })))
        .unwrap();
    stream
        .send("id: 9\nevent: paused\ndata: {}\n\n".into())
        .unwrap();
    stream
        .send(state(
            &json!({ "queued": 0, "playbackState": "paused", "positionMs": 66_000 }),
        ))
        .unwrap();
    let paused = "paused  千と千尋の神隠し  1:06 / 2:05:00  queue empty  worker connected";
    assert_eq!(watching.line().await, paused);
    stream
        .send(state(
            &json!({ "queued": 0, "playbackState": "stopped", "workerStatus": "disconnected" }),
        ))
        .unwrap();
    assert!(watching.line().await.starts_with("stopped  "));
    // The stream is open still: it was the party that ended.
    assert_eq!(watching.end().await.code, 0);
    drop(stream);
}

#[tokio::test]
async fn the_next_title_is_looked_up() {
    let server = StandIn::start().await;
    let stream = server.stream();
    let mut watching = Watching::start(&server, &["party", "status", "--watch"]);
    stream.send(state(&json!({}))).unwrap();
    let mut line = watching.line().await;
    if !line.contains("next: ") {
        line = watching.line().await;
    }
    assert!(line.contains("next: Alien (2 queued)"), "{line}");
    watching.interrupt();
    assert_eq!(watching.end().await.code, 0);
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let server = StandIn::start().await;
    let (first, second) = (server.stream(), server.stream());
    let mut watching = Watching::start(&server, &["party", "status", "--watch"]);
    first.send(state(&json!({ "queued": 0 }))).unwrap();
    watching.line().await;
    drop(first);
    let notice = watching.notice().await;
    assert!(notice.contains("connecting again"), "{notice}");
    second
        .send(state(&json!({ "queued": 0, "currentTitle": "Alien" })))
        .unwrap();
    assert!(watching.line().await.contains("Alien"));
    // The third time the server knows the party no more.
    drop(second);
    assert_eq!(watching.end().await.code, 0);
}

#[tokio::test]
async fn a_server_that_is_started_again_may_not_know_the_party_at_once() {
    let server = StandIn::start().await;
    let first = server.stream();
    let mut watching = Watching::start(&server, &["party", "status", "--watch"]);
    first.send(state(&json!({ "queued": 0 }))).unwrap();
    watching.line().await;
    let attempts = server.seen().len() + 1;
    // Without a stream to give, the server does not know the party.
    drop(first);
    tokio::time::timeout(WITHIN, async {
        while server.seen().len() < attempts {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let second = server.stream();
    second
        .send(state(&json!({ "queued": 0, "currentTitle": "Alien" })))
        .unwrap();
    assert!(watching.line().await.contains("Alien"));
    drop(second);
    assert_eq!(watching.end().await.code, 0);
}

#[tokio::test]
async fn json_is_one_object_a_line() {
    let server = StandIn::start().await;
    let stream = server.stream();
    let mut watching = Watching::start(&server, &["party", "status", "--watch", "--json"]);
    stream.send(state(&json!({}))).unwrap();
    let line: Value = serde_json::from_str(&watching.line().await).unwrap();
    assert_eq!(line, party());
    watching.interrupt();
    let ended = watching.end().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn events_are_followed_without_a_hole() {
    let server = StandIn::start().await;
    let (first, second) = (server.stream(), server.stream());
    let mut watching = Watching::start(&server, &["party", "events", "--follow", "--json"]);
    let event = |id: u64| {
        let data = json!({ "id": id, "type": "paused", "at": null, "cause": "call", "actor": "api", "payload": {} });
        format!("id: {id}\nevent: paused\ndata: {data}\n\n")
    };
    first.send(event(7)).unwrap();
    let line: Value = serde_json::from_str(&watching.line().await).unwrap();
    assert_eq!(line["id"], 7);
    drop(first);
    second.send(event(8)).unwrap();
    let line: Value = serde_json::from_str(&watching.line().await).unwrap();
    assert_eq!(line["id"], 8);
    let asked: Vec<_> = server
        .seen()
        .into_iter()
        .filter(|seen| seen.what.ends_with("/events"))
        .collect();
    assert_eq!(asked[0].headers.get("last-event-id"), None);
    assert_eq!(asked[1].headers["last-event-id"], "7");
}
