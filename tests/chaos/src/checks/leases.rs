//! A token is one process's alone, tokens rise, and no account is held for nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::History;

/// Whatever is wrong.
pub fn leases(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut holders = BTreeMap::new();
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for grant in &history.grants {
        let holder = (&grant.worker, &grant.incarnation);
        let first = *holders
            .entry((&grant.session, grant.token))
            .or_insert(holder);
        if first != holder {
            wrong.push(format!(
                "token {} of {} was granted to {first:?} and to {holder:?}",
                grant.token, grant.session
            ));
        }
        let before = newest.entry(&grant.session).or_default();
        if grant.token < *before {
            wrong.push(format!(
                "{}: token {} after {before}",
                grant.session, grant.token
            ));
        }
        *before = grant.token.max(*before);
    }
    let mut held = BTreeSet::new();
    for (id, session) in &history.sessions {
        let account = &session.record["account"];
        if account.is_null() {
            continue;
        }
        if !session.in_channel() {
            wrong.push(format!(
                "{id} holds account {account} in guild {}, and is over",
                session.guild
            ));
        }
        if !held.insert((account.to_string(), &session.guild)) {
            wrong.push(format!(
                "{id} holds account {account} in guild {} as another one does",
                session.guild
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::history::{Grant, Session};

    fn granted(tokens: &[(u64, &str)]) -> History {
        let grant = |(token, incarnation): &(u64, &str)| Grant {
            session: "1".to_owned(),
            token: *token,
            worker: "w".to_owned(),
            incarnation: (*incarnation).to_owned(),
        };
        History {
            grants: tokens.iter().map(grant).collect(),
            ..History::default()
        }
    }

    fn with_account(mut history: History, id: &str, in_channel: bool) -> History {
        let record = json!({"account": 7, "desired": {"in_channel": in_channel}});
        let session = Session {
            guild: "1001".to_owned(),
            record,
        };
        history.sessions.insert(id.to_owned(), session);
        history
    }

    #[test]
    fn tokens_that_rise_and_accounts_in_use_are_right() {
        let history = granted(&[(1, "a"), (2, "b"), (2, "b"), (3, "a")]);
        assert_eq!(leases(&with_account(history, "1", true)), [""; 0]);
    }

    #[test]
    fn a_shared_token_an_older_one_and_a_leaked_account_are_found() {
        let found = |history: &History| leases(history).join("; ");
        assert!(found(&granted(&[(1, "a"), (1, "b")])).contains("and to"));
        assert!(found(&granted(&[(2, "a"), (1, "b")])).contains("token 1 after 2"));
        let leaked = with_account(History::default(), "1", false);
        assert!(found(&leaked).contains("is over"));
        let shared = with_account(with_account(History::default(), "1", true), "2", true);
        assert!(found(&shared).contains("as another one does"));
    }
}
