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
