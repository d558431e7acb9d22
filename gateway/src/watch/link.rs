//! The signed path element of a viewer's link: `<expiry>.<viewer>.<mac>`, bound to the session.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost_types::Timestamp;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    app::Gateway,
    login::unix_seconds,
    problem::Problem,
    session_id::SessionId,
    signing::{Purpose, Signer},
};

/// Who a link was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewerId(String);

impl ViewerId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        ((1..=64).contains(&text.len()) && text.chars().all(allowed)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }
}

/// What a link promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkTerms {
    viewer: ViewerId,
    /// Seconds since 1970.
    expiry: u64,
}

/// Why a link is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkFault {
    /// Never made by this installation for this session.
    Invalid,
    Expired,
}

impl LinkTerms {
    pub(crate) fn new(viewer: ViewerId, expires_at: SystemTime) -> Self {
        Self {
            viewer,
            expiry: unix_seconds(expires_at),
        }
    }

    pub(crate) fn expiry_text(&self) -> String {
        Timestamp {
            seconds: i64::try_from(self.expiry).unwrap_or(i64::MAX),
            nanos: 0,
        }
        .to_string()
    }

    /// Path of the viewer's page.
    pub(crate) fn path(&self, signer: &Signer, session: &SessionId) -> String {
        let terms = format!("{}.{}", self.expiry, self.viewer.0);
        let mac = signer.sign(
            Purpose::WatchLink,
            &[session.as_str().as_bytes(), terms.as_bytes()],
        );
        format!(
            "/watch/{}/{terms}.{}",
            session.as_str(),
            URL_SAFE_NO_PAD.encode(mac)
        )
    }

    /// Checks a path element that came in. The MAC is looked at first: only a link that was real can have expired.
    pub(crate) fn check(
        sig: &str,
        signer: &Signer,
        session: &SessionId,
        now: SystemTime,
    ) -> Result<Self, LinkFault> {
        let (terms, mac) = sig.rsplit_once('.').ok_or(LinkFault::Invalid)?;
        let mac = URL_SAFE_NO_PAD
            .decode(mac)
            .map_err(|_| LinkFault::Invalid)?;
        if !signer.verify(
            Purpose::WatchLink,
            &[session.as_str().as_bytes(), terms.as_bytes()],
            &mac,
        ) {
            return Err(LinkFault::Invalid);
        }
        let (expiry, viewer) = terms.split_once('.').ok_or(LinkFault::Invalid)?;
        let expiry = expiry.parse().map_err(|_| LinkFault::Invalid)?;
        let viewer = ViewerId::parse(viewer).ok_or(LinkFault::Invalid)?;
        if unix_seconds(now) < expiry {
            Ok(Self { viewer, expiry })
        } else {
            Err(LinkFault::Expired)
        }
    }
}

/// Documents the beginning of a viewer's paths.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documents the path; Viewer reads it")]
pub(super) struct ViewerPath {
    /// The session's id.
    session: String,
    /// The signed element of the viewer's link.
    sig: String,
}

/// A viewer with a good link. As an extractor it lets nobody else pass.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) session: SessionId,
    terms: LinkTerms,
}

impl Viewer {
    /// How long the link is still good.
    pub(crate) fn time_left(&self) -> Duration {
        let expires_at = UNIX_EPOCH + Duration::from_secs(self.terms.expiry);
        expires_at
            .duration_since(SystemTime::now())
            .unwrap_or_default()
    }
}

impl FromRequestParts<Arc<Gateway>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, gateway)
            .await
            .map_err(|_| LinkFault::Invalid)?;
        let param = |name| {
            params
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (session, sig) = param("session")
            .zip(param("sig"))
            .ok_or(LinkFault::Invalid)?;
        // An id that no session can have gets the same answer as a forged link.
        let session = SessionId::parse(session).map_err(|_| LinkFault::Invalid)?;
        let terms = LinkTerms::check(sig, &gateway.signer, &session, SystemTime::now())?;
        Ok(Self { session, terms })
    }
}

impl From<LinkFault> for Problem {
    fn from(fault: LinkFault) -> Self {
        match fault {
            LinkFault::Invalid => Self::new(
                StatusCode::FORBIDDEN,
                "link_invalid",
                "this is no valid watch link; ask for a new one",
            ),
            LinkFault::Expired => Self::new(
                StatusCode::FORBIDDEN,
                "link_expired",
                "this watch link has expired; ask for a new one",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::SigningKey;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_link_is_good_for_its_session_until_its_time() {
        let signer = Signer::new(SigningKey::from([1; 32]));
        let session = SessionId::parse("456").unwrap();
        let terms = LinkTerms::new(ViewerId::parse("anna").unwrap(), at(1000));
        let path = terms.path(&signer, &session);
        let sig = path.strip_prefix("/watch/456/").unwrap();

        let check =
            |sig: &str, session: &SessionId, now| LinkTerms::check(sig, &signer, session, now);
        assert_eq!(check(sig, &session, at(999)), Ok(terms.clone()));
        assert_eq!(check(sig, &session, at(1000)), Err(LinkFault::Expired));

        let other = SessionId::parse("457").unwrap();
        assert_eq!(check(sig, &other, at(999)), Err(LinkFault::Invalid));
        for forged in [
            sig.replacen("1000", "9000", 1),
            sig.replacen("1000", "01000", 1),
            sig.replacen("anna", "otto", 1),
            sig.rsplit_once('.').unwrap().0.to_owned(),
            format!("{sig}.x"),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(
                check(&forged, &session, at(999)),
                Err(LinkFault::Invalid),
                "{forged}"
            );
        }
        let stranger = Signer::new(SigningKey::from([2; 32]));
        assert_eq!(
            LinkTerms::check(sig, &stranger, &session, at(999)),
            Err(LinkFault::Invalid)
        );
    }
}
