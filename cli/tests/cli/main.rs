//! The client's commands as processes of their own, against a stand-in for the party API.
#![allow(clippy::unwrap_used, missing_docs)]

mod calls;
mod refusals;
mod retries;
mod support;
mod tables;
mod watching;
