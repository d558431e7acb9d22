//! Reads fields of a JSON object, and names the one that is wrong.
//!
//! `null` and a missing field are the same; unknown fields are never looked at. A number where the contract has
//! a string is an error: ids are opaque, and one that passed through a float is not the same id.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// An object of the body, with the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    prefix: String,
}

impl<'a> Fields<'a> {
    /// The body itself.
    pub(crate) fn of(object: &'a Map<String, Value>) -> Self {
        Self {
            object,
            prefix: String::new(),
        }
    }

    /// How the caller would name this field: `playback.streamUrl`.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The field, unless it is missing or null.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// An object inside this one.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self {
                object,
                prefix: format!("{}.", self.path(name)),
            })),
            Some(_) => Err(self.wrong(name, "must be an object")),
        }
    }

    /// A string; empty counts as missing.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(name, "must be a string")),
        }
    }

    /// A field that is only shown to people: no kind of JSON in it is worth refusing a film for. A string as it is,
    /// anything else as compact JSON.
    pub(crate) fn shown(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            other => Some(other.to_string()),
        }
    }

    /// A string that must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<String, Problem> {
        self.text(name)?
            .ok_or_else(|| self.wrong(name, "is required and must be a string that is not empty"))
    }

    /// A whole number; `12.0` is one.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let whole = value.as_i64().or_else(|| {
            value
                .as_f64()
                .filter(|number| is_whole(*number))
                .map(|number| number as i64)
        });
        whole
            .map(Some)
            .ok_or_else(|| self.wrong(name, "must be an integer"))
    }

    /// True or false.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.value(name)
            .map(|value| {
                value
                    .as_bool()
                    .ok_or_else(|| self.wrong(name, "must be true or false"))
            })
            .transpose()
    }

    /// A whole number above zero.
    pub(crate) fn id(&self, name: &str) -> Result<Option<u64>, Problem> {
        match self.integer(name)? {
            None => Ok(None),
            Some(number) => match u64::try_from(number) {
                Ok(id) if id > 0 => Ok(Some(id)),
                _ => Err(self.wrong(name, "must be a positive integer")),
            },
        }
    }

    /// A number of seconds, as milliseconds.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.value(name)
            .map(|value| {
                value
                    .as_f64()
                    .and_then(milliseconds)
                    .ok_or_else(|| self.wrong(name, "must be a number of seconds"))
            })
            .transpose()
    }

    /// An array that must be there, of what `read` makes something of.
    pub(crate) fn required_list<T>(
        &self,
        name: &str,
        rule: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, Problem> {
        self.value(name)
            .and_then(Value::as_array)
            .and_then(|list| list.iter().map(read).collect())
            .ok_or_else(|| self.wrong(name, rule))
    }

    /// A refusal of this field.
    pub(crate) fn wrong(&self, name: &str, rule: &str) -> Problem {
        let path = self.path(name);
        Problem::invalid_field(path.clone(), format!("{path} {rule}"))
    }
}

/// Farthest time that is passed on as it is, some 30,000 years; what is beyond it is beyond every end, and passed on as
/// this.
const MAX_SECONDS: f64 = 1e12;

/// `None` for what is no number.
pub(crate) fn milliseconds(seconds: f64) -> Option<i64> {
    seconds
        .is_finite()
        .then(|| (seconds.clamp(-MAX_SECONDS, MAX_SECONDS) * 1000.0).round() as i64)
}

/// Whether a float stands for an integer exactly.
fn is_whole(number: f64) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    number.fract() == 0.0 && number.abs() <= EXACT
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_missing_and_types_are_kept_apart() {
        let body = json!({"a": "x", "n": 1, "f": 12.0, "half": 0.5, "null": null, "empty": "", "o": {"b": 2},
            "huge": 1e300, "big": u64::MAX});
        let fields = Fields::of(body.as_object().unwrap());
        assert_eq!(fields.text("a").unwrap().unwrap(), "x");
        for missing in ["null", "empty", "nowhere"] {
            assert_eq!(fields.text(missing).unwrap(), None);
            assert!(fields.required_text(missing).is_err());
        }
        assert!(fields.text("n").is_err());
        assert_eq!(fields.integer("n").unwrap(), Some(1));
        assert_eq!(fields.integer("f").unwrap(), Some(12));
        for wrong in ["a", "half", "o", "huge", "big"] {
            assert!(fields.integer(wrong).is_err(), "{wrong}");
        }
        let inner = fields.object("o").unwrap().unwrap();
        assert_eq!(inner.path("b"), "o.b");
        assert!(fields.object("a").is_err());
        assert!(fields.boolean("a").is_err());
        assert_eq!(fields.boolean("null").unwrap(), None);
        assert_eq!(fields.seconds("half").unwrap(), Some(500));
        assert!(fields.seconds("a").is_err());
        assert_eq!(fields.id("n").unwrap(), Some(1));
        assert!(fields.id("half").is_err());
    }
}
