//! Files that change while the process runs.

use std::time::Duration;

use orb_tls::{MutualTls, Part};
use tokio::time::timeout;

use crate::authority::{Authority, Mounted};
use crate::meeting::{Log, PATIENCE, Server, ask};

/// Asks until the answer is as wanted: files are looked at again at the next handshake, but not at each.
async fn ask_until(
    port: u16,
    tls: &MutualTls,
    wanted: impl Fn(&Result<(), String>) -> bool,
) -> Result<(), String> {
    let asking = async {
        loop {
            let answer = ask(port, Some(tls)).await;
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, asking)
        .await
        .expect("the files are looked at again")
}

#[tokio::test]
async fn both_ends_take_a_new_authority_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let here = Mounted::new(&old.pem(), &old.issue());
    let there = Mounted::new(&old.pem(), &old.issue());
    let client = MutualTls::load(here.files(), Part::Dials).unwrap();
    let server = Server::start(Some(MutualTls::load(there.files(), Part::Serves).unwrap()));
    ask(server.port, Some(&client)).await.unwrap();

    there.replace(&new.pem(), &new.issue());
    let said = ask_until(server.port, &client, Result::is_err)
        .await
        .unwrap_err();
    assert!(said.contains("not signed"), "{said}");
    here.replace(&new.pem(), &new.issue());
    ask_until(server.port, &client, Result::is_ok)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_http_client_is_told_by_another_configuration() {
    let authority = Authority::new();
    let mounted = Mounted::new(&authority.pem(), &authority.issue());
    let tls = MutualTls::load(mounted.files(), Part::Dials).unwrap();
    let first = tls.http_client_config().await;
    let again = tls.http_client_config().await;
    assert!(
        std::sync::Arc::ptr_eq(&first, &again),
        "nothing has changed"
    );
    mounted.replace(&authority.pem(), &authority.issue());
    let renewed = async {
        while std::sync::Arc::ptr_eq(&first, &tls.http_client_config().await) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, renewed)
        .await
        .expect("the files are looked at again");
}

#[tokio::test]
async fn the_old_authority_may_stay_for_a_while() {
    let (old, new) = (Authority::new(), Authority::new());
    let both = format!("{}{}", old.pem(), new.pem());
    let there = Mounted::new(&both, &new.issue());
    let server = Server::start(Some(MutualTls::load(there.files(), Part::Serves).unwrap()));
    for authority in [&old, &new] {
        let here = Mounted::new(&both, &authority.issue());
        let client = MutualTls::load(here.files(), Part::Dials).unwrap();
        ask(server.port, Some(&client)).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_said_once_and_changes_nothing() {
    let authority = Authority::new();
    let (log, _keeping) = Log::keep();
    let here = Mounted::new(&authority.pem(), &authority.issue());
    let there = Mounted::new(&authority.pem(), &authority.issue());
    let client = MutualTls::load(here.files(), Part::Dials).unwrap();
    let server = Server::start(Some(MutualTls::load(there.files(), Part::Serves).unwrap()));
    let told = |code: &str| log.text().matches(code).count();
    // Every connection works all the while.
    let until_told = async |code: &str| {
        ask_until(server.port, &client, |answer| {
            answer.as_ref().unwrap();
            told(code) > 0
        })
        .await
        .unwrap();
    };

    let next = authority.issue();
    // The certificate is there, its key is not yet.
    there.write("tls.crt", &next.certificate);
    until_told("tls_key_mismatch").await;
    there.remove("tls.key");
    until_told("tls_file_unreadable").await;
    there.replace(&authority.pem(), &authority.issue_expired());
    until_told("tls_certificate_unusable").await;
    there.replace(&authority.pem(), &next);
    until_told("certificates were renewed").await;
    let codes = [
        "tls_key_mismatch",
        "tls_file_unreadable",
        "tls_certificate_unusable",
    ];
    assert_eq!(codes.map(told), [1; 3], "{}", log.text());
    let key = next.key.lines().nth(1).unwrap();
    assert!(!log.text().contains(key), "no key in a log");
}
