//! Each place for a token, in each version, with each kind of token: who is let in, and where the log says
//! that it stood.

use jellyfin_sim::{AuthMode, JellyfinSimConfig};

use crate::setup::Setup;

/// A place: its name in the request log, headers with `{}` for the token, and a query.
struct Place {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    query: &'static str,
    /// Only with `EnableLegacyAuthorization`, which 12 has turned off.
    legacy: bool,
}

const fn place(
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    query: &'static str,
    legacy: bool,
) -> Place {
    Place {
        name,
        headers,
        query,
        legacy,
    }
}

const PLACES: [Place; 9] = [
    place(
        "Authorization",
        &[("authorization", "MediaBrowser Token=\"{}\"")],
        "",
        false,
    ),
    place(
        "Authorization",
        &[("authorization", "mediabrowser Client=\"a, b\", Token={}")],
        "",
        false,
    ),
    place("ApiKey", &[], "ApiKey={}", false),
    place("ApiKey", &[], "apikey={}", false),
    place("api_key", &[], "api_key={}", true),
    place("X-Emby-Token", &[("x-emby-token", "{}")], "", true),
    place(
        "X-MediaBrowser-Token",
        &[("x-mediabrowser-token", "{}")],
        "",
        true,
    ),
    place(
        "Authorization",
        &[("x-emby-authorization", "MediaBrowser Token=\"{}\"")],
        "",
        true,
    ),
    place(
        "Authorization",
        &[("authorization", "Emby Token=\"{}\"")],
        "",
        true,
    ),
];

async fn status(setup: &Setup, path: &str, place: &Place, token: &str) -> u16 {
    let query = place.query.replace("{}", token);
    let url = format!("{}{path}?static=true&{query}", setup.sim.base_url());
    let headers = place.headers.iter();
    let request = headers.fold(setup.client.get(url), |request, (name, value)| {
        request.header(*name, value.replace("{}", token))
    });
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn each_place_counts_in_its_versions() {
    for auth in [AuthMode::V10_11, AuthMode::V12] {
        let setup = Setup::start(JellyfinSimConfig {
            auth,
            stream_needs_auth: true,
            ..JellyfinSimConfig::default()
        })
        .await;
        let user = setup.log_in("orb", "orb").await;
        for place in &PLACES {
            let counts = !place.legacy || auth == AuthMode::V10_11;
            let expected = if counts { 200 } else { 401 };
            let said = format!(
                "{auth:?} {} {:?} {}",
                place.name, place.headers, place.query
            );
            for path in ["/System/Info", "/Items/m1/Download", "/Videos/m1/stream"] {
                for token in [setup.sim.api_key(), &user] {
                    let answered = status(&setup, path, place, token).await;
                    assert_eq!(answered, expected, "{said} {path}");
                }
                let wrong = status(&setup, path, place, "wrong").await;
                assert_eq!(wrong, 401, "{said} {path}");
            }
            let log = setup.sim.requests();
            let seen = log.last().unwrap().auth;
            assert_eq!(seen, counts.then_some(place.name), "{said}");
            assert!(!format!("{log:?}").contains(&user), "{said}");
        }
    }
}

#[tokio::test]
async fn what_comes_first_counts() {
    let setup = Setup::start(JellyfinSimConfig {
        auth: AuthMode::V10_11,
        ..JellyfinSimConfig::default()
    })
    .await;
    let key = setup.sim.api_key();
    for (headers, query, expected) in [
        // A wrong token is not made up for by a right one further down.
        (
            vec![("authorization", "MediaBrowser Token=\"wrong\"".to_owned())],
            "ApiKey={}",
            401,
        ),
        (vec![("x-emby-token", "wrong".to_owned())], "ApiKey={}", 401),
        // An empty one is none, and neither is another spelling of its name.
        (
            vec![("authorization", "MediaBrowser Token=\"\"".to_owned())],
            "ApiKey={}",
            200,
        ),
        (
            vec![("authorization", format!("MediaBrowser token=\"{key}\""))],
            "",
            401,
        ),
        // Another scheme hides the old header.
        (
            vec![
                ("authorization", "Bearer x".to_owned()),
                (
                    "x-emby-authorization",
                    format!("MediaBrowser Token=\"{key}\""),
                ),
            ],
            "",
            401,
        ),
    ] {
        let url = format!(
            "{}/System/Info?{}",
            setup.sim.base_url(),
            query.replace("{}", key)
        );
        let request = headers
            .iter()
            .fold(setup.client.get(url), |request, (name, value)| {
                request.header(*name, value)
            });
        assert_eq!(
            request.send().await.unwrap().status(),
            expected,
            "{headers:?} {query}"
        );
    }
}

#[tokio::test]
async fn a_login_ends_with_its_logout_or_the_devices_next_one() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let first = setup.log_in("orb", "orb").await;
    let second = setup.log_in("orb", "orb").await;
    let header = &PLACES[0];
    assert_eq!(status(&setup, "/Users/Me", header, &first).await, 401);
    assert_eq!(status(&setup, "/Users/Me", header, &second).await, 200);
    let logout = format!("{}/Sessions/Logout?ApiKey={second}", setup.sim.base_url());
    assert_eq!(
        setup.client.post(logout).send().await.unwrap().status(),
        204
    );
    assert_eq!(status(&setup, "/Users/Me", header, &second).await, 401);
}
