//! The server and its users.

use serde::Deserialize;

use super::or_default;
use crate::client::User;

/// `PublicSystemInfo`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::client) struct PublicInfo {
    #[serde(default)]
    pub(in crate::client) id: String,
    #[serde(default)]
    pub(in crate::client) server_name: String,
    #[serde(default)]
    pub(in crate::client) product_name: String,
    #[serde(default)]
    pub(in crate::client) version: String,
}

/// `UserDto`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::client) struct WireUser {
    id: String,
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    policy: Policy,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Policy {
    is_administrator: bool,
    is_disabled: bool,
}

impl WireUser {
    /// `None` for one that is disabled.
    pub(in crate::client) fn into_enabled_user(self) -> Option<User> {
        (!self.policy.is_disabled).then_some(User {
            id: self.id,
            name: self.name,
            is_administrator: self.policy.is_administrator,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn disabled_users_do_not_count() {
        let user = |policy: Value| {
            from_value::<WireUser>(json!({"Id": "1", "Name": "a", "Policy": policy}))
                .unwrap()
                .into_enabled_user()
        };
        assert!(user(json!({"IsDisabled": true})).is_none());
        assert!(
            user(json!({"IsAdministrator": true}))
                .unwrap()
                .is_administrator
        );
        assert!(!user(Value::Null).unwrap().is_administrator);
    }
}
