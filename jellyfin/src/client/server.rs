//! Which Jellyfin answers, and for whom we ask it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::transport::Transport;
use super::wire::{PublicInfo, WireUser};
use crate::Error;

/// The oldest server that will do.
///
/// All calls have the form that we use since 10.9, which moved `userId` from the path into the query
/// (jellyfin #11074). 10.10 is the first whose code for users, missing episodes and user data is what
/// this client was written against, and reads the same up to 12; 10.9 has long had no fixes.
pub(super) const MINIMUM: Version = Version {
    major: 10,
    minor: 10,
    patch: 0,
};

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its id.
    pub id: String,
    /// The name that its operator gave it.
    pub name: String,
    /// Its version.
    pub version: Version,
}

/// A server's version, without what follows the third number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 10 in 10.11.3.
    pub major: u32,
    /// 11 in 10.11.3.
    pub minor: u32,
    /// 3 in 10.11.3.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = ();

    /// `10.11.3`, `12.0`, `12.0.0-rc5`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split(['.', '-', '+']).map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok);
        Ok(Self {
            major: next().ok_or(())?,
            minor: next().ok_or(())?,
            patch: next().unwrap_or_default(),
        })
    }
}

/// A user of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Whether the user may do everything.
    pub is_administrator: bool,
}

/// A server that will do, and the user to act for.
pub(super) struct Account {
    pub(super) user: User,
}

/// `GET /System/Info/Public`, which needs no key.
pub(super) async fn version(transport: &Transport) -> Result<ServerInfo, Error> {
    let url = transport.url(&["System", "Info", "Public"])?;
    let info: PublicInfo = transport.get_json(url, None).await?.0;
    // Emby has the same path, another product and another API.
    if !info.product_name.to_ascii_lowercase().contains("jellyfin") {
        return Err(transport.not_jellyfin("it says that it is another product"));
    }
    let version = info
        .version
        .parse()
        .map_err(|()| transport.not_jellyfin("it does not say its version"))?;
    if version < MINIMUM {
        return Err(Error::VersionTooOld {
            version,
            minimum: MINIMUM,
        });
    }
    Ok(ServerInfo {
        id: info.id,
        name: info.server_name,
        version,
    })
}

/// Looks at the version, then for the user: what every other call stands on.
pub(super) async fn account(
    transport: Arc<Transport>,
    wanted: Option<String>,
) -> Result<(Arc<Account>, usize), Error> {
    version(&transport).await?;
    let mut url = transport.url(&["Users"])?;
    url.set_query(Some("isDisabled=false"));
    let (users, bytes) = transport.get_json::<Vec<WireUser>>(url, None).await?;
    let users = users.into_iter().filter_map(WireUser::into_enabled_user);
    let user = choose(users, wanted.as_deref()).ok_or_else(|| Error::UserNotFound {
        name: wanted.unwrap_or_else(|| "at all".into()),
    })?;
    tracing::debug!(user = %user.name, "acting for a user of jellyfin");
    Ok((Arc::new(Account { user }), bytes))
}

/// The user named or numbered `wanted`; without, the first administrator, else the first. Jellyfin
/// sends them by name, so that it is the same one each time.
fn choose(users: impl Iterator<Item = User>, wanted: Option<&str>) -> Option<User> {
    let mut users = users.collect::<Vec<_>>();
    let place = match wanted {
        Some(wanted) => users.iter().position(|user| {
            user.name.to_lowercase() == wanted.to_lowercase() || is_same_id(&user.id, wanted)
        })?,
        None => users
            .iter()
            .position(|user| user.is_administrator)
            .unwrap_or(0),
    };
    (place < users.len()).then(|| users.swap_remove(place))
}

/// Ids are written with hyphens and without.
fn is_same_id(a: &str, b: &str) -> bool {
    let digits = |id: &str| id.replace('-', "").to_ascii_lowercase();
    digits(a) == digits(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, name: &str, is_administrator: bool) -> User {
        User {
            id: id.into(),
            name: name.into(),
            is_administrator,
        }
    }

    fn chosen(wanted: Option<&str>) -> Option<String> {
        let users = [
            user("aa11", "anna", false),
            user("bb22", "Bob", true),
            user("cc33", "cleo", true),
        ];
        choose(users.into_iter(), wanted).map(|user| user.name)
    }

    #[test]
    fn the_user_is_chosen() {
        assert_eq!(chosen(None).as_deref(), Some("Bob"));
        assert_eq!(chosen(Some("CLEO")).as_deref(), Some("cleo"));
        assert_eq!(chosen(Some("AA-11")).as_deref(), Some("anna"));
        assert_eq!(chosen(Some("nobody")), None, "no other one instead");
        let first = choose([user("1", "x", false)].into_iter(), None);
        assert_eq!(first.map(|u| u.name).as_deref(), Some("x"));
        assert_eq!(choose(std::iter::empty(), None), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<Version>();
        assert!(version("10.9.11") < Ok(MINIMUM));
        assert!(version("9.99.0") < Ok(MINIMUM));
        for new in ["10.10.0", "10.10.7.0", "10.11", "12.0.0-rc5", "13.0"] {
            assert!(version(new).is_ok_and(|v| v >= MINIMUM), "{new}");
        }
        for none in ["", "10", "x.y", "next"] {
            assert!(version(none).is_err(), "{none}");
        }
        assert_eq!(
            version("12.1.0-rc1").map(|v| v.to_string()),
            Ok("12.1.0".into())
        );
    }
}
