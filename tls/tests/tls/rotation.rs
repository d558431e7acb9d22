//! Files that change while the process runs.

use orb_tls::{MutualTls, Part};

use crate::authority::{Authority, Mounted};
use crate::meeting::{Log, Server, ask};

#[tokio::test]
async fn both_ends_take_a_new_authority_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let here = Mounted::new(&old.pem(), &old.issue());
    let there = Mounted::new(&old.pem(), &old.issue());
    let client = MutualTls::load(here.files(), Part::Dials).unwrap();
    let server = Server::start(Some(MutualTls::load(there.files(), Part::Serves).unwrap()));
    ask(server.port, Some(&client)).await.unwrap();

    there.replace(&new.pem(), &new.issue());
    let said = ask(server.port, Some(&client)).await.unwrap_err();
    assert!(said.contains("not signed"), "{said}");
    here.replace(&new.pem(), &new.issue());
    ask(server.port, Some(&client)).await.unwrap();
}

#[tokio::test]
async fn the_old_authority_may_stay_for_a_while() {
    let (old, new) = (Authority::new(), Authority::new());
    let both = format!("{}{}", old.pem(), new.pem());
    let there = Mounted::new(&old.pem(), &old.issue());
    let server = Server::start(Some(MutualTls::load(there.files(), Part::Serves).unwrap()));
    there.replace(&both, &new.issue());
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
    let next = authority.issue();
    // The certificate is there, its key is not yet.
    there.write("tls.crt", &next.certificate);
    for _ in 0..3 {
        ask(server.port, Some(&client)).await.unwrap();
    }
    let complaints = log.text().matches("tls_key_mismatch").count();
    assert_eq!(complaints, 1, "{}", log.text());
    there.write("tls.key", &next.key);
    ask(server.port, Some(&client)).await.unwrap();
    log.says("certificates were renewed").await;
    there.remove("tls.key");
    ask(server.port, Some(&client)).await.unwrap();
    ask(server.port, Some(&client)).await.unwrap();
    assert_eq!(log.text().matches("tls_file_unreadable").count(), 1);
    there.write("tls.crt", &authority.issue_expired().certificate);
    there.write("tls.key", &next.key);
    ask(server.port, Some(&client)).await.unwrap();
    let key = next.key.lines().nth(1).unwrap();
    assert!(!log.text().contains(key), "no key in a log");
}
