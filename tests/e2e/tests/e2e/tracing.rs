//! One trace from an HTTP call to the packets that it leads to, whoever sends them.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use orb_e2e::{
    API_TOKEN, Answer, BOT_TOKEN, CALLERS_SPAN, Collector, Installation, JELLYFIN_KEY, OrbProcess,
    Party, Roles, SECOND_API_TOKEN, Setting, Surroundings, Title, TracedSpan, entry, until,
};

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Of a caller who traces its calls.
const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What the collector wants to see.
const COLLECTORS_KEY: &str = "e2e-collectors-key-5a4b3c";

const PLAY: &str = "POST /sessions/{id}/play";

/// Services and names of a line of spans, the eldest last.
fn line(spans: &[TracedSpan]) -> Vec<(&str, &str)> {
    let named = spans.iter().map(|span| (&*span.service, &*span.name));
    named.collect()
}

/// Gateway, scheduler, worker-1, and one who listens to their traces.
async fn roles(collector: &Collector) -> Roles {
    let surroundings = Surroundings::start(Setting::default()).await;
    let environment = surroundings
        .environment()
        .with("ORB_OTLP__ENDPOINT", collector.endpoint())
        .with(
            "OTEL_EXPORTER_OTLP_HEADERS",
            format!("authorization={COLLECTORS_KEY}"),
        )
        .with("ORB_LOG", "debug");
    let roles = Roles::start_with(surroundings, environment).await;
    attached(&roles.worker).await;
    roles
}

async fn attached(worker: &OrbProcess) {
    until("the worker to be attached", SOON, async || {
        worker.log().contains("attached").then_some(())
    })
    .await;
}

/// A party that is in its channel.
async fn party(roles: &Roles) -> Party {
    let party = Party::create(&roles.api, 111).await;
    let connected = |status: &Answer| status.text_of("workerStatus") == "connected";
    party.becomes_so("connected", SOON, connected).await;
    party
}

/// Plays in the caller's trace.
async fn play(roles: &Roles, party: &Party) {
    let body = entry(&roles.surroundings, 1, Title::Clock).to_string();
    let traceparent = format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-01");
    let headers = [("traceparent", traceparent.as_str())];
    until("room on a worker", SOON, async || {
        let path = party.path("play");
        let answer = roles.api.post_with(&path, body.clone(), &headers).await;
        (answer.code != 503).then_some(())
    })
    .await;
    party.becomes("playing", SOON).await;
    let ears = party.ears(&roles.surroundings.discord);
    ears.seconds(Instant::now(), 1, SOON).await;
}

/// A span of the caller's trace on that worker.
async fn on(collector: &Collector, worker: &str, name: &str) -> TracedSpan {
    let what = format!("{name} of {worker} in the caller's trace");
    let life = format!("{worker}/");
    let fits = |span: &TracedSpan| {
        span.trace == CALLERS_TRACE && span.name == name && span.instance.starts_with(&life)
    };
    collector.span(&what, fits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_from_the_call_to_the_first_packet_and_across_a_take_over() {
    let collector = Collector::start().await;
    let mut roles = roles(&collector).await;
    let party = party(&roles).await;
    play(&roles, &party).await;

    let call = [
        ("orb-scheduler", "command"),
        ("orb-scheduler", "orb.v1.SessionService/Play"),
        ("orb-gateway", PLAY),
    ];
    let on_worker = |name| [("orb-worker", name), ("orb-worker", "lease")];
    for name in ["source open", "first packet"] {
        let span = on(&collector, "worker-1", name).await;
        let spans = collector.ancestry(span).await;
        assert_eq!(line(&spans), [&on_worker(name)[..], &call].concat());
        let eldest = &spans[spans.len() - 1];
        assert_eq!(eldest.parent, CALLERS_SPAN, "the caller's own");
        assert_eq!(eldest.attributes["http.response.status_code"], "200");
    }

    // The party was made, placed and brought into its channel by an earlier call, in a trace of its own.
    let placed = |span: &TracedSpan| span.name == "placement";
    let placement = collector.span("a placement", placed).await;
    let explained = &placement.attributes["placement"];
    assert!(explained.contains("\"worker\":\"worker-1\""), "{explained}");
    let connected = |span: &TracedSpan| span.name == "voice connect";
    let connect = collector.span("a connection", connected).await;
    assert_eq!(connect.trace, placement.trace);
    let created = collector.ancestry(placement).await;
    assert_eq!(line(&created[3..]), [("orb-gateway", "POST /sessions")]);
    assert_ne!(created[0].trace, CALLERS_TRACE);

    let second = roles.start_worker("worker-2");
    attached(&second).await;
    roles.worker.kill().await;
    let taken_over = [
        ("orb-scheduler", "grant"),
        ("orb-scheduler", "take-over"),
        ("orb-scheduler", "command"),
    ];
    for name in ["voice connect", "source open", "first packet"] {
        let span = on(&collector, "worker-2", name).await;
        let spans = collector.ancestry(span).await;
        let expected = [&on_worker(name)[..], &taken_over, &call[1..]].concat();
        assert_eq!(line(&spans), expected);
        assert_eq!(spans[3].attributes["from"], "worker-1");
    }
    let fits = |span: &TracedSpan| span.name == "placement" && span.trace == CALLERS_TRACE;
    let why = collector.span("the placement of the take-over", fits).await;
    let explained = &why.attributes["placement"];
    assert!(explained.contains("\"worker\":\"worker-2\""), "{explained}");
    let above = collector.ancestry(why).await;
    assert_eq!(above[1].name, "take-over");

    // Polls are not traced, and were many.
    let spans = collector.spans();
    let is_poll = |span: &TracedSpan| span.name.contains("GET") || span.name.ends_with("/Get");
    assert_eq!(
        spans
            .iter()
            .find(|span| is_poll(span))
            .map(|span| &span.name),
        None
    );
    assert_eq!(Vec::from_iter(collector.authorized_by()), [COLLECTORS_KEY]);
    for process in [&roles.gateway, &roles.scheduler, &roles.worker, &second] {
        assert!(!process.log().contains(COLLECTORS_KEY), "in a log");
    }
    let everything = collector.everything();
    let source = roles.surroundings.jellyfin.base_url();
    for secret in [
        API_TOKEN,
        SECOND_API_TOKEN,
        BOT_TOKEN,
        JELLYFIN_KEY,
        COLLECTORS_KEY,
        source,
        "ApiKey",
    ] {
        assert!(!everything.contains(secret), "a secret in a span");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_sends_its_last_spans() {
    let collector = Collector::start().await;
    let mut roles = roles(&collector).await;
    let party = party(&roles).await;
    party.control("stop").await.expect_code(200);
    roles.gateway.terminate();
    roles.scheduler.terminate();
    let ended = [
        roles.gateway.ended(SOON).await,
        roles.scheduler.ended(SOON).await,
    ];
    assert!(ended.iter().all(std::process::ExitStatus::success));
    for name in [
        "POST /sessions/{id}/control",
        "orb.v1.SessionService/Control",
    ] {
        let sent = collector.spans().iter().any(|span| span.name == name);
        assert!(sent, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_one_line_of_log() {
    const SAID: &str = "the collector takes no spans";
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let surroundings = Surroundings::start(Setting::default()).await;
    let environment = surroundings
        .environment()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let mut installation = Installation::up_with(surroundings, environment).await;
    let party = Party::create(&installation.api, 111).await;
    until("the outage to be noticed", SOON, async || {
        installation.orb.log().contains(SAID).then_some(())
    })
    .await;
    party
        .play_title(&installation.surroundings, Title::Clock)
        .await;
    let ears = party.ears(&installation.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOON).await;
    installation.orb.terminate();
    assert!(installation.orb.ended(SOON).await.success());
    let log = installation.orb.all_printed();
    assert_eq!(log.matches(SAID).count(), 1, "{log}");
}
