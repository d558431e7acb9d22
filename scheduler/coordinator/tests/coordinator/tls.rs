//! An etcd that wants to see a certificate.

use orb_cluster::{Etcd, EtcdCertificates};
use orb_coordinator::{Coordinator, EtcdConfig, EtcdCoordinator, EtcdTls, Leadership};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio::time::timeout;

use crate::{LONG, leads};

/// An authority, and what it signed for 127.0.0.1: certificate and key.
fn certificates() -> (String, String, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    (issuer.pem(), leaf.pem(), key.serialize_pem())
}

#[tokio::test]
async fn it_is_led_with_a_certificate_and_not_without() {
    let (ca, certificate, key) = certificates();
    let etcd = Etcd::start_with_tls(&EtcdCertificates {
        ca: ca.clone(),
        certificate: certificate.clone(),
        key: key.clone(),
    })
    .await
    .unwrap();
    let connect = |ca: Option<String>, client| {
        EtcdCoordinator::connect(EtcdConfig {
            endpoints: vec![etcd.endpoint()],
            tls: Some(EtcdTls { ca, client }),
            ..EtcdConfig::default()
        })
    };
    let known = connect(Some(ca.clone()), Some((certificate, key.into())))
        .await
        .unwrap();
    let known = std::sync::Arc::new(known);
    let leader = leads(
        "with a certificate",
        LONG,
        crate::campaigning(&known, "http://a:1"),
    )
    .await;
    timeout(LONG, leader.announce(3)).await.unwrap().unwrap();
    assert_eq!(known.leader().await.unwrap().unwrap().epoch, Some(3));

    let unknown = connect(Some(ca), None).await.unwrap();
    unknown.leader().await.unwrap_err();
    let distrusting = connect(None, None).await.unwrap();
    distrusting.leader().await.unwrap_err();
}
