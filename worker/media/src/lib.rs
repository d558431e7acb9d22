//! From URLs to timed frames.

mod error;
mod frames;
mod pipeline;
mod plan;

pub use error::{Error, Failure};
pub use frames::{Closed, FRAME_MS, FrameQueue, OpusFrame, Pop};
pub use pipeline::{OpenSpec, Pipeline, PipelineEvent, Sources, WatchSpool};
pub use plan::{Plan, VideoPlan};
