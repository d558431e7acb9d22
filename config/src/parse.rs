//! Values as people write them: lists with commas, durations with units, numbers as text.
//!
//! The environment knows only text, so every reader here takes text and the native TOML form.

use std::{fmt::Display, str::FromStr, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::Worker;

/// `a,b` or `["a", "b"]`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "text with commas between the values, or a list of text"
)]
enum TextList {
    Text(String),
    List(Vec<String>),
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = match TextList::deserialize(deserializer)? {
        TextList::Text(text) => text.split(',').map(str::to_owned).collect(),
        TextList::List(list) => list,
    };
    Ok(texts
        .iter()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect())
}

pub(crate) fn secrets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SecretString>, D::Error> {
    Ok(texts(deserializer)?
        .into_iter()
        .map(SecretString::from)
        .collect())
}

pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

pub(crate) fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    secret(deserializer).map(Some)
}

pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    texts(deserializer)?
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom))
        .collect()
}

/// `host:port`. A name needs a resolver, which is no business of a configuration.
pub(crate) fn socket_addr<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<std::net::SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.trim()
        .parse()
        .map_err(|_| D::Error::custom("expected an IP address and a port, such as 127.0.0.1:8080"))
}

pub(crate) fn optional_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    let number = Number::deserialize(deserializer)?.value();
    let number = number.ok_or_else(|| D::Error::custom("expected a whole number, 0 or above"))?;
    Ok(Some(number))
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a whole number, 0 or above")]
enum Number {
    Native(u32),
    Text(String),
}

impl Number {
    fn value(self) -> Option<u32> {
        match self {
            Self::Native(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// In kbit/s, within what a picture can be sent with.
pub(crate) fn golive_kbits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let (least, most) = (Worker::LEAST_GOLIVE_KBITS, Worker::MOST_GOLIVE_KBITS);
    let number = Number::deserialize(deserializer)?.value();
    let fitting = number.filter(|kbits| (least..=most).contains(kbits));
    fitting.ok_or_else(|| {
        D::Error::custom(format!(
            "expected a whole number of kbit/s, from {least} to {most}"
        ))
    })
}

/// `true` or `false`, as TOML has it.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "true or false")]
    enum Boolean {
        Native(bool),
        Text(String),
    }
    match Boolean::deserialize(deserializer)? {
        Boolean::Native(boolean) => Ok(boolean),
        Boolean::Text(text) => match text.trim() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(D::Error::custom("expected true or false")),
        },
    }
}

/// From 0 to 1.
pub(crate) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a share from 0 to 1, such as 0.1")]
    enum Share {
        Native(f64),
        Text(String),
    }
    let share = match Share::deserialize(deserializer)? {
        Share::Native(share) => Some(share),
        Share::Text(text) => text.trim().parse().ok(),
    };
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| D::Error::custom("expected a share from 0 to 1, such as 0.1"))
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(text.trim())
        .ok_or_else(|| D::Error::custom("expected a duration with its unit: 250ms, 2s, 5m or 24h"))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            ("250ms", Some(Duration::from_millis(250))),
            ("2s", Some(Duration::from_secs(2))),
            ("5 m", Some(Duration::from_mins(5))),
            ("24h", Some(Duration::from_hours(24))),
            ("0s", Some(Duration::ZERO)),
            ("5", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("18446744073709551615h", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }
}
