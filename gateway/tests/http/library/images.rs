//! Pictures, and that nothing else comes that way.

use reqwest::{Response, header};
use serde_json::json;

use super::Stage;

async fn picture(stage: &Stage, query: &str, tag: Option<&str>) -> Response {
    let mut request = stage.harness.get(&format!("/api/v1/library/items/{query}"));
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_poster_comes_once_and_runs_nothing() {
    let stage = Stage::start().await;
    let first = picture(&stage, "f1/image?maxWidth=100", None).await;
    assert_eq!(first.status(), 200);
    let headers = first.headers().clone();
    stage.keeps_quiet(&headers);
    let bytes = first.bytes().await.unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    for (name, expected) in [
        ("content-type", "image/png"),
        ("cache-control", "private, max-age=600"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ] {
        assert_eq!(headers[name], expected, "{name}");
    }

    let tag = headers["etag"].to_str().unwrap();
    let many = format!("\"other\", W/{tag}");
    for known in [tag, &many, "*"] {
        let again = picture(&stage, "f1/image?maxWidth=100", Some(known)).await;
        assert_eq!(
            (again.status().as_u16(), &again.headers()["etag"]),
            (304, &headers["etag"])
        );
        assert_eq!(again.bytes().await.unwrap().len(), 0);
    }
    let other = picture(&stage, "f1/image?maxWidth=100", Some("\"other\"")).await;
    assert_eq!(other.bytes().await.unwrap(), bytes);
    let larger = picture(&stage, "f1/image?maxWidth=200", Some(tag)).await;
    assert_eq!(larger.status(), 200);
    let asked = stage.asked().into_iter();
    let asked = asked.filter(|path| path == "/Items/f1/Images/Primary");
    assert_eq!(asked.count(), 2, "each size once");
}

#[tokio::test]
async fn only_pictures_of_items_can_be_asked_for() {
    let stage = Stage::start().await;
    for query in [
        "kind=..",
        "kind=Primary",
        "kind=primary/../../../Users",
        "kind=chapter",
        "maxWidth=0",
        "maxWidth=3841",
        "maxWidth=-1",
        "maxWidth=http://example.org",
        "maxWidth=1&maxWidth=x&kind=x",
    ] {
        let (status, body) = stage.refusal(&format!("/items/f1/image?{query}")).await;
        assert_eq!(
            (status, &body["code"]),
            (422, &json!("invalid_argument")),
            "{query}"
        );
    }
    assert_eq!(stage.asked(), Vec::<String>::new());
    // What is not known is not passed on.
    let known = picture(
        &stage,
        "f1/image?url=http://example.org/&tag=x&index=5&format=svg",
        None,
    )
    .await;
    assert_eq!(known.status(), 200);
    let requests = stage.sim.requests();
    let asked: Vec<_> = requests.iter().map(|r| (&*r.path, &*r.query)).collect();
    assert_eq!(asked, [("/Items/f1/Images/Primary", "")]);

    let unknown = "0123456789abcdef0123456789abcdef";
    for path in [
        format!("/items/{unknown}/image"),
        "/items/f1/image?kind=logo".to_owned(),
    ] {
        let expected = (404, "library_image_not_found".to_owned());
        assert_eq!(stage.refused(&path).await, expected, "{path}");
    }
}
