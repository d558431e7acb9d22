//! Real servers for tests: each on a free port of 127.0.0.1, with its data in a temporary directory.
//!
//! # Mental model
//!
//! A server is a child process that belongs to a value: dropping the value ends the process and deletes
//! its data, and the kernel ends it when the thread that started it dies (so a killed test leaves none
//! behind; a server that several tests share has to be started by a thread that outlives them). The
//! programs come from Debian's packages; where one is missing the [`Error`] names the package.

mod error;
mod etcd;
mod port;
mod postgres;

pub use error::Error;
pub use etcd::{Etcd, EtcdCertificates};
pub use port::free_port;
pub use postgres::Postgres;
