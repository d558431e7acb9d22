//! Who gets in.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{Harness, OTHER_TOKEN, Reply, TOKEN, problem, session};

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn any_valid_token_in_either_header() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let get = || harness.bare(Method::GET, "/sessions/456");
    for token in [TOKEN, OTHER_TOKEN] {
        assert_eq!(status(get().bearer_auth(token)).await, 200);
        assert_eq!(status(get().header("X-API-Key", token)).await, 200);
        assert_eq!(
            status(get().header("Authorization", format!("bearer {token}"))).await,
            200
        );
    }
    assert_eq!(
        status(get().bearer_auth("wrong").header("X-API-Key", TOKEN)).await,
        200
    );
}

#[tokio::test]
async fn nobody_else() {
    let harness = Harness::start().await;
    let get = || harness.bare(Method::GET, "/sessions/456");
    for request in [
        get(),
        get().bearer_auth(""),
        get().bearer_auth("first-toke"),
        get().bearer_auth("first-token2"),
        get().header("X-API-Key", ""),
        get().header("Authorization", TOKEN),
        get().basic_auth(TOKEN, Some(TOKEN)),
        get().header("Cookie", "orb_page=1.x"),
        get().query(&[("api_key", TOKEN)]),
        harness.bare(Method::POST, "/sessions").body("{}"),
        harness
            .bare(Method::POST, "/sessions/456/play")
            .body("not json"),
        harness.bare(Method::POST, "/sessions/456/control"),
        harness.bare(Method::GET, "/api/v1/parties"),
        harness.bare(Method::GET, "/api/v1/parties/456/events"),
        harness.bare(Method::POST, "/api/v1/parties/456/watch-links"),
        harness.bare(Method::GET, "/api/v1/demo-item"),
    ] {
        let (status, answer) = problem(request).await;
        assert_eq!((status, &answer["code"]), (401, &json!("unauthenticated")));
    }
    assert_eq!(harness.scheduler.calls(), vec![]);
}

#[tokio::test]
async fn without_tokens_nobody_gets_in() {
    let harness = Harness::with(|config| config.api_tokens = vec!["".into()]).await;
    for token in ["", TOKEN] {
        assert_eq!(
            problem(
                harness
                    .bare(Method::GET, "/sessions/456")
                    .bearer_auth(token)
            )
            .await
            .0,
            401
        );
    }
}

#[tokio::test]
async fn a_login_gives_a_cookie_that_needs_the_page_to_change_anything() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let login = |body: &'static str| harness.bare(Method::POST, "/login").body(body);
    assert_eq!(problem(login(r#"{"token":"wrong"}"#)).await.0, 401);
    assert_eq!(problem(login(r#"{"token":1}"#)).await.1["field"], "token");

    let response = login(r#"{"token":"second-token"}"#).send().await.unwrap();
    assert_eq!(response.status(), 204);
    let set_cookie = response.headers()["set-cookie"].to_str().unwrap();
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(set_cookie.contains(attribute), "{set_cookie}");
    }
    let cookie = set_cookie.split(';').next().unwrap();
    assert!(!cookie.contains(OTHER_TOKEN));

    let get = harness
        .bare(Method::GET, "/sessions/456")
        .header("Cookie", format!("a=b; {cookie}"));
    assert_eq!(status(get).await, 200);
    let pause = || {
        let request = harness
            .bare(Method::POST, "/sessions/456/control")
            .header("Cookie", cookie);
        request.body(r#"{"action":"pause"}"#)
    };
    let (code, answer) = problem(pause()).await;
    assert_eq!(
        (code, &answer["code"]),
        (403, &json!("page_header_missing"))
    );
    assert_eq!(status(pause().header("X-Orb-Page", "1")).await, 200);
    let forged = format!("{}x", cookie.trim_end_matches(char::is_alphanumeric));
    let get = harness
        .bare(Method::GET, "/sessions/456")
        .header("Cookie", forged);
    assert_eq!(problem(get).await.0, 401);
}

#[tokio::test]
async fn the_open_page_signs_in_who_asks_for_this_machine() {
    let harness = Harness::with(|config| config.open_page = true).await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let page = harness.bare(Method::GET, "/").send().await.unwrap();
    let cookie = page.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let get = harness
        .bare(Method::GET, "/sessions/456")
        .header("Cookie", &cookie);
    assert_eq!(status(get).await, 200);

    let foreign = harness
        .bare(Method::GET, "/")
        .header("Host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 200);
    assert!(!foreign.headers().contains_key("set-cookie"));

    // The cookie of an open page is worth nothing where the page is not open.
    let closed = Harness::start().await;
    assert!(
        !closed
            .bare(Method::GET, "/")
            .send()
            .await
            .unwrap()
            .headers()
            .contains_key("set-cookie")
    );
    assert_eq!(
        problem(
            closed
                .bare(Method::GET, "/sessions/456")
                .header("Cookie", &cookie)
        )
        .await
        .0,
        401
    );
}

#[tokio::test]
async fn an_open_page_with_a_fixed_key_is_still_told_from_a_closed_one() {
    let key = [9; 32];
    let open = Harness::with(|config| {
        config.open_page = true;
        config.signing_key = key.into();
    })
    .await;
    let closed = Harness::with(|config| config.signing_key = key.into()).await;
    let page = open.bare(Method::GET, "/").send().await.unwrap();
    let cookie = page.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        problem(
            closed
                .bare(Method::GET, "/sessions/456")
                .header("Cookie", cookie)
        )
        .await
        .0,
        401
    );
}
