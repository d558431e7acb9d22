//! Users, and the tokens that they got by logging in.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::Error;
use crate::ids;

/// Older tokens are forgotten, as if somebody had logged those devices out.
const MAX_TOKENS: usize = 1_000;

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct SimUser {
    /// The name, compared without case.
    pub name: String,
    /// The password.
    pub password: String,
    /// An administrator may ask for other users' things.
    pub administrator: bool,
}

impl SimUser {
    /// A user who is no administrator.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
            administrator: false,
        }
    }
}

impl std::fmt::Debug for SimUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimUser")
            .field("name", &self.name)
            .field("administrator", &self.administrator)
            .finish_non_exhaustive()
    }
}

/// A user, as a number among them.
pub(crate) type UserIndex = usize;

/// Who a device said that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// The program on it.
    pub(crate) client: String,
    pub(crate) name: String,
    pub(crate) id: String,
    /// The program's.
    pub(crate) version: String,
}

struct Login {
    token: String,
    user: UserIndex,
    device_id: String,
}

/// All users and their tokens.
pub(crate) struct Accounts {
    users: Vec<SimUser>,
    logins: Mutex<VecDeque<Login>>,
}

impl Accounts {
    pub(crate) fn new(users: Vec<SimUser>) -> Result<Self, Error> {
        for (at, user) in users.iter().enumerate() {
            let same = |other: &SimUser| other.name.eq_ignore_ascii_case(&user.name);
            if users[..at].iter().any(same) {
                return Err(Error::DuplicateUser {
                    name: user.name.clone(),
                });
            }
        }
        Ok(Self {
            users,
            logins: Mutex::default(),
        })
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = UserIndex> {
        0..self.users.len()
    }

    pub(crate) fn get(&self, user: UserIndex) -> &SimUser {
        &self.users[user]
    }

    /// The id of a user: 32 hex digits, the same ones in each run.
    pub(crate) fn id(user: UserIndex) -> String {
        format!("75736572{:024x}", user + 1)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<UserIndex> {
        let id = ids::key(id);
        self.users().find(|&user| Self::id(user) == id)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<UserIndex> {
        let same = |user: &UserIndex| self.get(*user).name.eq_ignore_ascii_case(name);
        self.users().find(same)
    }

    /// A new token for a user's device, whose older one ends with it.
    pub(crate) fn log_in(&self, user: UserIndex, device_id: &str) -> String {
        let token = Uuid::new_v4().simple().to_string();
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|login| login.user != user || login.device_id != device_id);
        if logins.len() == MAX_TOKENS {
            logins.pop_front();
        }
        logins.push_back(Login {
            token: token.clone(),
            user,
            device_id: device_id.to_owned(),
        });
        token
    }

    /// Whose token it is.
    pub(crate) fn by_token(&self, token: &str) -> Option<UserIndex> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins.iter().find(|login| login.token == token)?;
        Some(login.user)
    }

    /// Ends a token.
    pub(crate) fn log_out(&self, token: &str) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|login| login.token != token);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_device_has_one_token_and_users_their_own() {
        let users = vec![SimUser::new("orb", "x"), SimUser::new("Eve", "y")];
        let accounts = Accounts::new(users).unwrap();
        let old = accounts.log_in(0, "tv");
        let phone = accounts.log_in(0, "phone");
        let eve = accounts.log_in(1, "tv");
        let new = accounts.log_in(0, "tv");
        assert_eq!(accounts.by_token(&old), None);
        assert_eq!(accounts.by_token(&phone), Some(0));
        assert_eq!(accounts.by_token(&new), Some(0));
        assert_eq!(accounts.by_token(&eve), Some(1));
        accounts.log_out(&eve);
        assert_eq!(accounts.by_token(&eve), None);
        assert_eq!(accounts.by_name("EVE"), Some(1));
        assert_eq!(accounts.by_id(&Accounts::id(1).to_uppercase()), Some(1));
    }

    #[test]
    fn two_users_of_one_name_are_refused_and_passwords_not_shown() {
        let users = vec![SimUser::new("orb", "secret"), SimUser::new("ORB", "y")];
        assert!(!format!("{users:?}").contains("secret"));
        let error = Accounts::new(users).err().unwrap();
        assert_eq!(error.code(), "duplicate_user");
    }
}
