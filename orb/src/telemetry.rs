//! Logging.

use orb_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// songbird and twilight log tokens of their own at debug and trace; an operator who asks for debug asks
/// about this project.
const CAPPED: &str =
    "songbird=warn,twilight_gateway=info,serenity=warn,tungstenite=warn,h2=warn,hyper=warn";

/// Once, before anything logs. Lines go to stderr.
pub(crate) fn init(log: &Log) {
    let filter = EnvFilter::try_new(format!("{},{CAPPED}", log.filter))
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{CAPPED}")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}
