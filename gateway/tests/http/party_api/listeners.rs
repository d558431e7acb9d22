//! Many listeners, and one that reads nothing.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Events, Harness, PATIENCE, Reply, TOKEN, session};

const EVENTS: &str = "/api/v1/parties/456/events";

const LISTENERS: usize = 500;

/// The goal is 200 ms; this is for two cores that others build on.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_hear_each_change() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let mut listeners = join_all((0..LISTENERS).map(|_| Events::open(harness.get(EVENTS)))).await;
    // Each has the first state, so that no one is still on its way.
    join_all(listeners.iter_mut().map(Events::next_event)).await;
    assert_eq!(harness.scheduler.watchers(), 1);

    let mut slowest = Vec::new();
    for _ in 0..20 {
        let told_at = Instant::now();
        let id = harness
            .scheduler
            .happen("pause", r#"{"cause":"call","actor":"api"}"#);
        let heard = listeners.iter_mut().map(async |listener| {
            assert_eq!(listener.next_row().await.unwrap().id, Some(id));
            told_at.elapsed()
        });
        slowest.push(join_all(heard).await.into_iter().max().unwrap());
    }
    slowest.sort_unstable();
    println!(
        "{LISTENERS} listeners, 20 changes: the last one heard it after {:?} (median), {:?} (worst)",
        slowest[slowest.len() / 2],
        slowest[slowest.len() - 1],
    );
    assert!(slowest[slowest.len() - 1] <= HEARD_WITHIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_reads_nothing_costs_little_and_misses_nothing() {
    const EVENT: usize = 4096;
    const TOLD: usize = 10_000;
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let mut reader = Events::open(harness.get(EVENTS)).await;
    let mut silent = TcpStream::connect(harness.base.trim_start_matches("http://"))
        .await
        .unwrap();
    let request = format!(
        "GET {EVENTS} HTTP/1.1\r\nHost: orb\r\nAccept: text/event-stream\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    silent.write_all(request.as_bytes()).await.unwrap();
    // Its answer has begun: it listens.
    let mut head = [0; 12];
    silent.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");

    let payload = format!(r#"{{"cause":"call","text":"{}"}}"#, "x".repeat(EVENT));
    let mut told = Vec::new();
    let mut before = 0;
    for round in 0..TOLD / 100 {
        let ids: Vec<_> = (0..100)
            .map(|_| harness.scheduler.happen("pause", &payload))
            .collect();
        // Whoever reads is held up by nobody.
        for id in &ids {
            assert_eq!(reader.next_row().await.unwrap().id, Some(*id));
        }
        told.extend(ids);
        if round == 4 {
            // What everything needs once is there by now.
            before = resident_without(&told, EVENT);
        }
    }
    let grown = resident_without(&told, EVENT).saturating_sub(before);
    println!(
        "one that reads nothing of {} MB: {} KB more",
        TOLD * EVENT / 1_000_000,
        grown / 1000
    );
    assert!(grown < 16_000_000, "{grown} bytes");

    // It begins to read: all of it is there, in order.
    let mut text = Vec::new();
    let mut heard = Vec::new();
    let last = *told.last().unwrap();
    let read_all = async {
        let mut chunk = vec![0; 1 << 16];
        while heard.last() != Some(&last) {
            let n = silent.read(&mut chunk).await.unwrap();
            assert_ne!(n, 0, "ended after {} events", heard.len());
            text.extend_from_slice(&chunk[..n]);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = text.drain(..=end).collect();
                let id = line
                    .strip_prefix(b"id: ")
                    .map(|id| id.trim_ascii().to_vec());
                heard.extend(id.map(|id| String::from_utf8(id).unwrap().parse::<i64>().unwrap()));
            }
        }
    };
    timeout(6 * PATIENCE, read_all).await.expect("all of it");
    assert_eq!(heard, told);
}

/// Resident memory of this process, less what the scheduler's store in it holds.
fn resident_without(told: &[i64], event: usize) -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    (pages * 4096).saturating_sub(told.len() * event)
}
