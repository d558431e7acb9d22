//! What gRPC health (`grpc.health.v1`) says of this process.
//!
//! | asked for | serving |
//! | --- | --- |
//! | the process (the empty name) | while it does its part: it leads, or knows who does and stands by |
//! | a service of `orb.v1` | while it leads: a standby refuses all their calls |
//!
//! So a probe for a rolling update asks for the process, and a client that balances by health for the service.

use std::convert::Infallible;
use std::time::Duration;

use orb_proto::v1::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::Standing;

/// A leadership also ends by its clock, of which there is no word.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Keeps the answers true, for as long as it is polled.
pub(crate) async fn tell(standing: Standing, reporter: HealthReporter) -> Infallible {
    let services = services();
    let mut told = None;
    let mut post = standing.post_changes();
    loop {
        let seen = (standing.ready().is_ok(), standing.leader().is_ok());
        if told.replace(seen) != Some(seen) {
            let (takes_part, leads) = seen;
            reporter.set_service_status("", status(takes_part)).await;
            for service in &services {
                reporter.set_service_status(service, status(leads)).await;
            }
        }
        // Nobody but this task's own `standing` could close it.
        let _ = tokio::time::timeout(LOOK_EVERY, post.changed()).await;
    }
}

fn status(serves: bool) -> ServingStatus {
    if serves {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

/// All of this project's, by their full names.
fn services() -> Vec<String> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let names = files.file.iter().flat_map(|file| {
        let package = file.package();
        let services = file.service.iter();
        services.map(move |service| format!("{package}.{}", service.name()))
    });
    names.filter(|name| name.starts_with("orb.")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_spoken_of() {
        let services = services();
        for name in ["Session", "Party", "Gateway", "Worker", "Admin"] {
            let service = format!("orb.v1.{name}Service");
            assert!(services.contains(&service), "{service}");
        }
    }
}
