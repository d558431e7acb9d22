//! Free text without the keys in it: ffmpeg quotes the URL it could not open.

/// What a secret's name ends with, in lower case: `api_key`, `X-Emby-Token`, `access_token` …
const SECRET_NAMES: [&str; 10] = [
    "apikey",
    "api_key",
    "api-key",
    "api%5fkey",
    "token",
    "password",
    "secret",
    "signature",
    "authorization",
    "bearer",
];

/// What stands between name and value; percent-encoded when a URL is quoted inside another.
const SEPARATORS: [&str; 5] = ["=", ":", "%3d", "%253d", "%3a"];

const HIDDEN: &str = "…";

/// Replaces by `…` the values of key-like names (`api_key=`, `ApiKey=`, `token=`, `"AccessToken":`,
/// `Authorization:` …) and the user name and password of URLs. Rather too much than too little: a
/// value ends at white space, `&`, `#`, a quote or an angle bracket.
pub fn redact(text: &str) -> String {
    hide_values(&hide_user_info(text))
}

/// `scheme://user:password@host` → `scheme://…@host`.
fn hide_user_info(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let authority = tail
            .find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c))
            .unwrap_or(tail.len());
        rest = match tail[..authority].rfind('@') {
            Some(end) => {
                out.push_str(HIDDEN);
                &tail[end..]
            }
            None => tail,
        };
    }
    out + rest
}

fn hide_values(text: &str) -> String {
    // ASCII only, so that positions in both are the same.
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while let Some(next) = lower[at..].chars().next() {
        match value_range(&lower, at) {
            Some((start, end)) => {
                out.push_str(&text[copied..start]);
                out.push_str(HIDDEN);
                (copied, at) = (end, end.max(at + next.len_utf8()));
            }
            None => at += next.len_utf8(),
        }
    }
    out.push_str(&text[copied..]);
    out
}

/// Start and end of the secret value whose separator stands at `at`, if one does.
fn value_range(lower: &str, at: usize) -> Option<(usize, usize)> {
    let (before, after) = lower.split_at(at);
    let value = if before.ends_with("bearer") && after.starts_with(' ') {
        after // "Bearer abc": the blank separates
    } else {
        SEPARATORS.into_iter().find_map(|s| after.strip_prefix(s))?
    };
    let name = before.trim_end_matches(['"', '\'', '\\', ' ']);
    if !SECRET_NAMES
        .into_iter()
        .any(|secret| name.ends_with(secret))
    {
        return None;
    }
    let value = value.trim_start_matches([' ', '\t']);
    let unescaped = value.trim_start_matches('\\');
    let (value, end) = match unescaped.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let quoted = &unescaped[1..];
            // Inside `"…"` a `\"` is part of the value, inside `\"…\"` it ends it.
            (quoted, quoted_end(quoted, quote, value.starts_with(quote)))
        }
        // The scheme and its parameters are part of the secret: hide the line.
        _ if name.ends_with("authorization") => (value, value.find(['\r', '\n'])),
        _ => (value, unquoted_end(value)),
    };
    let start = lower.len() - value.len();
    Some((start, start + end.unwrap_or(value.len())))
}

fn quoted_end(quoted: &str, quote: char, skip_escaped: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        if c == '\n' || (c == quote && !(escaped && skip_escaped)) {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn unquoted_end(value: &str) -> Option<usize> {
    let plain = value.find(|c: char| c.is_whitespace() || "&#\"'<>".contains(c));
    let encoded = value.find("%26");
    plain.into_iter().chain(encoded).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected);
    }

    #[test]
    fn ffmpeg_messages_lose_the_key_only() {
        check(
            "http://h:8096/Videos/1/stream?static=true&api_key=K3Y: Server returned 404 Not Found",
            "http://h:8096/Videos/1/stream?static=true&api_key=… Server returned 404 Not Found",
        );
        check(
            "Input #0, from 'http://h/a?ApiKey=K3Y&x=1':",
            "Input #0, from 'http://h/a?ApiKey=…&x=1':",
        );
        check(
            "http://bob:pw@h/a, http://h/a@b",
            "http://…@h/a, http://h/a@b",
        );
        check("?a=1&access_token=K#f", "?a=1&access_token=…#f");
        check(
            "u=http%3A%2F%2Fh%3Fapi_key%3DK3Y%26x",
            "u=http%3A%2F%2Fh%3Fapi_key%3D…%26x",
        );
        check("api%5Fkey=K", "api%5Fkey=…");
    }

    #[test]
    fn headers_and_json_lose_theirs() {
        check(
            "Authorization: MediaBrowser Token=\"K\", x\r\nRange: y",
            "Authorization: …\r\nRange: y",
        );
        check(
            "MediaBrowser Token=\"K\", Client=\"O\"",
            "MediaBrowser Token=\"…\", Client=\"O\"",
        );
        check("X-Emby-Token: K", "X-Emby-Token: …");
        check("sent Bearer K3Y ok", "sent Bearer … ok");
        check(
            r#"{"AccessToken":"K\"3Y","Id":"1"}"#,
            r#"{"AccessToken":"…","Id":"1"}"#,
        );
        check(
            r#""{\"Password\":\"K\",\"Id\":1}""#,
            r#""{\"Password\":\"…",\"Id\":1}""#,
        );
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "",
            "[matroska,webm @ 0x5581] Stream ends prematurely at 123, should be 456",
            "frame=  100 fps= 25 q=-1.0 size=N/A time=00:00:04.00 bitrate=N/A speed=1x",
            "Größe: 12 — très bien = ok",
        ] {
            check(text, text);
        }
    }

    const NAMES: [&str; 7] = [
        "api_key",
        "ApiKey",
        "token",
        "access_token",
        "X-Emby-Token",
        "PASSWORD",
        "sig_secret",
    ];

    proptest! {
        #[test]
        fn a_value_never_survives(
            before in "[a-zß€ /:?=&\"'%.]{0,20}",
            name in proptest::sample::select(&NAMES[..]),
            separator in proptest::sample::select(&["=", ":", ": ", "=\"", "%3D", "\":\""][..]),
            secret in "Q[A-Z0-9._~%+-]{7,20}Q",
            after in "([ &\"'#>][a-zß€ /:?=&]{0,20})?",
        ) {
            let out = redact(&format!("{before}{name}{separator}{secret}{after}"));
            prop_assert!(!out.contains(&secret), "{}", out);
        }

        #[test]
        fn user_and_password_never_survive(
            before in "[a-zß€ /:?=&\"'%.]{0,20}",
            secret in "Q[A-Z0-9:@%]{7,20}Q",
            after in "([/?#\"' ][a-zß€ /:?=&]{0,20})?",
        ) {
            let out = redact(&format!("{before}http://{secret}@host{after}"));
            prop_assert!(!out.contains(&secret), "{}", out);
        }

        #[test]
        fn any_text_is_taken(
            text in "(token|api_key|bearer|authorization|://|[=:\"' \\\\@&%3D\n]|\\PC){0,30}",
        ) {
            redact(&text);
        }
    }
}
