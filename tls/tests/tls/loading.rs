//! What is refused at start, and how it is said.

use orb_tls::{Error, MutualTls, Part};
use rcgen::ExtendedKeyUsagePurpose;

use crate::authority::{Authority, Issued, Mounted};

fn refusal(mounted: &Mounted, part: Part) -> Error {
    MutualTls::load(mounted.files(), part).unwrap_err()
}

#[track_caller]
fn assert_said(error: &Error, code: &str, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert!(!error.is_retryable(), "{text}");
}

#[test]
fn what_was_issued_together_is_taken_for_every_part() {
    let authority = Authority::new();
    let mounted = Mounted::new(&authority.pem(), &authority.issue());
    for part in [Part::Dials, Part::Serves, Part::Both] {
        MutualTls::load(mounted.files(), part).unwrap();
    }
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_setting() {
    let authority = Authority::new();
    for (name, variable) in [
        ("ca.crt", "ORB_TLS__CA"),
        ("tls.crt", "ORB_TLS__CERT"),
        ("tls.key", "ORB_TLS__KEY"),
    ] {
        let mounted = Mounted::new(&authority.pem(), &authority.issue());
        mounted.remove(name);
        let error = refusal(&mounted, Part::Both);
        assert_said(&error, "tls_file_unreadable", &[variable, name]);
        mounted.write(name, "nothing of use");
        let error = refusal(&mounted, Part::Both);
        assert_said(&error, "tls_file_invalid", &[variable, name]);
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_and_never_shown() {
    let authority = Authority::new();
    let issued = Issued {
        key: authority.issue().key,
        ..authority.issue()
    };
    let mounted = Mounted::new(&authority.pem(), &issued);
    let error = refusal(&mounted, Part::Both);
    assert_said(
        &error,
        "tls_key_mismatch",
        &["ORB_TLS__KEY", "tls.key", "ORB_TLS__CERT", "tls.crt"],
    );
    let secret = issued.key.lines().nth(1).unwrap();
    assert!(!format!("{error} {error:?}").contains(secret));
    // As when the two files were mixed up.
    mounted.write("tls.key", &issued.certificate);
    let error = refusal(&mounted, Part::Both);
    assert_said(&error, "tls_file_invalid", &["ORB_TLS__KEY", "private key"]);
}

#[test]
fn a_certificate_that_peers_would_refuse_is_refused_at_start() {
    let authority = Authority::new();
    let of_another = Mounted::new(&Authority::new().pem(), &authority.issue());
    let expired = Mounted::new(&authority.pem(), &authority.issue_expired());
    for part in [Part::Dials, Part::Serves] {
        let code = "tls_certificate_unusable";
        let error = refusal(&of_another, part);
        assert_said(
            &error,
            code,
            &["ORB_TLS__CERT", "not signed", "ORB_TLS__CA"],
        );
        let error = refusal(&expired, part);
        assert_said(&error, code, &["ORB_TLS__CERT", "expired", "renew"]);
    }
}

#[test]
fn a_certificate_needs_no_more_than_its_part() {
    let authority = Authority::new();
    let nameless = authority.issue_with(|leaf| leaf.subject_alt_names.clear());
    let nameless = Mounted::new(&authority.pem(), &nameless);
    MutualTls::load(nameless.files(), Part::Dials).unwrap();
    let error = refusal(&nameless, Part::Both);
    let code = "tls_certificate_unusable";
    assert_said(&error, code, &["ORB_TLS__CERT", "ORB_TLS__SERVER_NAME"]);

    let server = authority.issue_with(|leaf| {
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let server = Mounted::new(&authority.pem(), &server);
    MutualTls::load(server.files(), Part::Serves).unwrap();
    let error = refusal(&server, Part::Both);
    assert_said(&error, code, &["towards servers", "both server and client"]);
}

#[test]
fn a_name_that_is_none_is_named() {
    let authority = Authority::new();
    let mounted = Mounted::new(&authority.pem(), &authority.issue());
    let mut files = mounted.files();
    files.server_name = "no name".to_owned();
    let error = MutualTls::load(files, Part::Both).unwrap_err();
    assert_said(&error, "tls_server_name", &["ORB_TLS__SERVER_NAME"]);
}

#[test]
fn debug_output_shows_paths_alone() {
    let authority = Authority::new();
    let issued = authority.issue();
    let mounted = Mounted::new(&authority.pem(), &issued);
    let tls = MutualTls::load(mounted.files(), Part::Both).unwrap();
    let shown = format!("{tls:?}");
    assert!(shown.contains("tls.key"), "{shown}");
    assert!(!shown.contains(issued.key.lines().nth(1).unwrap()));
}
