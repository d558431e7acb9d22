//! An authority that signs what a test asks for, and folders with the three files.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use orb_tls::TlsFiles;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// The name that servers bear here.
pub(crate) const NAME: &str = "orb-stream";

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        Self::named(&format!("authority {}", MADE.fetch_add(1, Relaxed)))
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// As cert-manager issues one: for the name, and both uses.
    pub(crate) fn issue(&self) -> Issued {
        self.issue_with(|_| ())
    }

    pub(crate) fn issue_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut leaf);
        let key = KeyPair::generate().unwrap();
        Issued {
            certificate: leaf.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// Good until a day that is long gone.
    pub(crate) fn issue_expired(&self) -> Issued {
        self.issue_with(|leaf| {
            leaf.not_before = date_time_ymd(2020, 1, 1);
            leaf.not_after = date_time_ymd(2021, 1, 1);
        })
    }
}

pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A folder as a Secret is mounted.
pub(crate) struct Mounted(TempDir);

impl Mounted {
    pub(crate) fn new(ca: &str, issued: &Issued) -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        mounted.replace(ca, issued);
        mounted
    }

    pub(crate) fn replace(&self, ca: &str, issued: &Issued) {
        self.write("ca.crt", ca);
        self.write("tls.crt", &issued.certificate);
        self.write("tls.key", &issued.key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles {
            ca: self.0.path().join("ca.crt"),
            certificate: self.0.path().join("tls.crt"),
            key: self.0.path().join("tls.key"),
            server_name: NAME.to_owned(),
        }
    }
}
