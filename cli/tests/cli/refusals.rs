//! What is said when it does not work, and with which exit code.

use serde_json::json;

use crate::support::{Client, Ended, StandIn, party};

fn check(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert_eq!(ended.stdout, "");
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "{word:?} is not in {}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("the-token"), "{}", ended.stderr);
}

#[tokio::test]
async fn no_server() {
    // A port that was free a moment ago.
    let gone = StandIn::start().await.url.clone();
    let ended = Client::of(&gone).run(&["party", "list"]).await;
    check(&ended, 3, &[&gone, "refused", "orb up", "ORB_SERVER"]);
    let ended = Client::of("ftp://host/").run(&["party", "list"]).await;
    check(&ended, 2, &["ORB_SERVER", "http://127.0.0.1:8080"]);
}

#[tokio::test]
async fn another_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(|| async { "It works!" });
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let ended = Client::of(&url).run(&["party", "list"]).await;
    check(&ended, 3, &["is no orb", "--server"]);
    server.abort();
}

#[tokio::test]
async fn tokens() {
    let server = StandIn::start().await;
    let client = || Client::of(&server.url).unset("ORB_API_TOKEN");
    check(
        &client().run(&["party", "list"]).await,
        1,
        &["ORB_API_TOKEN", "--token-file"],
    );
    let wrong = client()
        .set("ORB_API_TOKENS", "wrong-token")
        .run(&["party", "list"])
        .await;
    check(
        &wrong,
        1,
        &["token of ORB_API_TOKENS", "set ORB_API_TOKEN "],
    );
    assert!(!wrong.stderr.contains("wrong-token"));
    client()
        .set("ORB_API_TOKENS", "the-token,second")
        .says(&["party", "list"])
        .await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let list = ["party", "list", "--token-file", file.to_str().unwrap()];
    check(&client().run(&list).await, 2, &["--token-file"]);
    std::fs::write(&file, "the-token\n").unwrap();
    client().says(&list).await;
}

#[tokio::test]
async fn which_party() {
    let server = StandIn::start().await;
    let client = Client::of(&server.url);
    let ended = client.run(&["party", "pause", "other"]).await;
    check(
        &ended,
        1,
        &["\"other\"", "\n  movie-night  playing  Movie night"],
    );

    let mut second = party();
    second["id"] = "movie-two".into();
    server.answers("GET /parties", 200, json!({ "parties": [party(), second] }));
    check(
        &client.run(&["party", "pause"]).await,
        2,
        &["which party?", "movie-night", "movie-two"],
    );
    check(
        &client.run(&["party", "pause", "movie"]).await,
        2,
        &["which party?", "movie-night", "movie-two"],
    );

    // One that is over for long is not listed any more.
    server.answers("GET /parties/long-gone", 200, party());
    client.says(&["party", "show", "long-gone"]).await;

    server.answers("GET /parties", 200, json!({ "parties": [] }));
    check(
        &client.run(&["party", "pause"]).await,
        2,
        &["there is no party", "orb party create"],
    );
}

#[tokio::test]
async fn problems_are_shown_with_their_field() {
    let server = StandIn::start().await;
    let problem = json!({ "type": "urn:orb:problem:seek_out_of_range", "title": "Seek out of range", "status": 422,
        "code": "seek_out_of_range", "detail": "the film ends at 7500; seek before it", "field": "positionSeconds" });
    server.answers("POST /parties/movie-night/seek", 422, problem);
    let ended = Client::of(&server.url)
        .run(&["party", "seek", "9:00:00"])
        .await;
    assert_eq!(
        ended.stderr,
        "orb: positionSeconds: the film ends at 7500; seek before it (seek_out_of_range)\n"
    );
    assert_eq!(ended.code, 1);
}

#[tokio::test]
async fn wrong_use() {
    let client = Client::of("http://127.0.0.1:1");
    for arguments in [
        &["party", "seek", "soon"][..],
        &["party", "queue", "add"],
        &["party", "queue", "move", "3", "0"],
        &["party", "create"],
        &["party", "dance"],
        &["party", "play", "--item", "a", "--entry", "1"],
    ] {
        let ended = client.run(arguments).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (2, ""),
            "{arguments:?}"
        );
    }
    let help = client.says(&["party", "--help"]).await;
    for word in [
        "Examples:",
        "orb party seek 1:02:30",
        "ORB_SERVER",
        "Exit codes:",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    assert!(!help.contains("the-token"));
}
