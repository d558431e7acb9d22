//! By what ways a new party could be sent now.

use orb_proto::v1;
use orb_scheduler_core::NoPicture;

use crate::Readiness;

const NO_WORKER: &str = "no worker is attached";

/// In the order of `Session.capabilities`, whose names these are.
pub(crate) fn all(ready: Readiness, no_picture: Option<NoPicture>) -> Vec<v1::Output> {
    let voice = match ready {
        Readiness { worker: false, .. } => Some(NO_WORKER),
        Readiness { account: false, .. } => Some("no Discord account is connected"),
        _ => None,
    };
    let watch = (!ready.worker).then_some(NO_WORKER);
    let golive = no_picture.map(|missing| match missing {
        NoPicture::Off => {
            "bots cannot send video and Discord's terms forbid to automate any other account: it is off unless the \
             operator sets ORB_GOLIVE"
        }
        NoPicture::NoAccount => "no user account of ORB_DISCORD__GOLIVE_TOKENS is connected",
        NoPicture::NoWorker => "no worker with ORB_GOLIVE=accept-account-risk is attached",
    });
    [("voice", voice), ("watch", watch), ("golive", golive)]
        .into_iter()
        .map(|(name, missing)| v1::Output {
            name: name.to_owned(),
            available: missing.is_none(),
            reason: missing.unwrap_or_default().to_owned(),
        })
        .collect()
}
