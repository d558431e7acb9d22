//! The API document, against the gateway that serves it.

use reqwest::Method;

use crate::support::{Harness, problem};

/// What the party API promises; the document may have more.
const CALLS: [(&str, &str); 23] = [
    ("get", "/api/v1/parties"),
    ("post", "/api/v1/parties"),
    ("get", "/api/v1/parties/{id}"),
    ("delete", "/api/v1/parties/{id}"),
    ("post", "/api/v1/parties/{id}/play"),
    ("post", "/api/v1/parties/{id}/pause"),
    ("post", "/api/v1/parties/{id}/resume"),
    ("post", "/api/v1/parties/{id}/stop"),
    ("post", "/api/v1/parties/{id}/seek"),
    ("post", "/api/v1/parties/{id}/skip"),
    ("post", "/api/v1/parties/{id}/previous"),
    ("get", "/api/v1/parties/{id}/queue"),
    ("post", "/api/v1/parties/{id}/queue"),
    ("delete", "/api/v1/parties/{id}/queue"),
    ("delete", "/api/v1/parties/{id}/queue/{entryId}"),
    ("put", "/api/v1/parties/{id}/queue/order"),
    ("post", "/api/v1/parties/{id}/queue/{entryId}/move"),
    ("get", "/api/v1/parties/{id}/events"),
    ("post", "/api/v1/parties/{id}/watch-links"),
    ("get", "/api/v1/capabilities"),
    ("get", "/api/v1/workers"),
    ("post", "/api/v1/workers/{workerId}/drain"),
    ("get", "/api/v1/demo-item"),
];

#[tokio::test]
async fn every_call_is_documented_with_what_it_bears() {
    let document = orb_gateway::openapi_document();
    for (method, path) in CALLS {
        let operation = &document["paths"][path][method];
        assert!(operation.is_object(), "{method} {path}");
        let parameters = operation["parameters"].as_array();
        let named: Vec<_> = parameters
            .into_iter()
            .flatten()
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let is_command = method != "get" && !path.ends_with("drain") && !path.ends_with("links");
        for header in ["Idempotency-Key", "X-Orb-Actor"] {
            assert_eq!(
                named.contains(&header),
                is_command,
                "{method} {path}: {header}"
            );
        }
        let is_edit = method != "get" && path.contains("/queue");
        assert_eq!(named.contains(&"If-Match"), is_edit, "{method} {path}");
        let ok = if method == "post" && path.ends_with("/queue") {
            "201"
        } else {
            "200"
        };
        let has_tag = operation["responses"][ok]["headers"]["ETag"].is_object();
        assert_eq!(has_tag, path.contains("/queue"), "{method} {path}");
    }
}

#[tokio::test]
async fn every_documented_call_is_served() {
    let harness = Harness::start().await;
    let document = orb_gateway::openapi_document();
    let paths = document["paths"].as_object().unwrap();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            if !operation["security"].is_null() {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            // Without a token each is refused as itself, not as a path or a method that is not there.
            let concrete = path.replace(['{', '}'], "");
            let (status, answer) = problem(harness.bare(method.clone(), &concrete)).await;
            assert_eq!(status, 401, "{method} {path}: {answer}");
        }
    }
}
