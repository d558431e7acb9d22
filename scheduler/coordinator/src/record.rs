//! What the leader's key says.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The leader, as followers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderRecord {
    /// Where it serves gRPC, as it said itself when it campaigned.
    pub address: String,
    /// Which leadership this is: another one at the same address has another. Of etcd, where it rises
    /// as long as etcd is not rebuilt.
    pub revision: u64,
    /// The epoch that the store gave it; `None` until it serves. A hint: it may be replaced already.
    pub epoch: Option<u64>,
}

/// The value in etcd. Unknown fields are ignored, so that a later version may add some.
#[derive(Serialize, Deserialize)]
struct Value {
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
}

impl LeaderRecord {
    pub(crate) fn to_value(&self) -> Result<Vec<u8>, Error> {
        Ok(serde_json::to_vec(&Value {
            address: self.address.clone(),
            epoch: self.epoch,
        })?)
    }

    pub(crate) fn from_value(value: &[u8], revision: u64) -> Result<Self, Error> {
        let Value { address, epoch } = serde_json::from_slice(value)?;
        Ok(Self {
            address,
            revision,
            epoch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_as_it_was_written() {
        for epoch in [None, Some(7)] {
            let record = LeaderRecord {
                address: "http://10.0.0.3:7100".into(),
                revision: 12,
                epoch,
            };
            let value = record.to_value().expect("it is text and a number");
            let read = LeaderRecord::from_value(&value, 12).expect("it was just written");
            assert_eq!(read, record);
        }
    }

    #[test]
    fn a_later_version_may_say_more_and_another_program_is_refused() {
        let more = br#"{"address":"http://a:1","epoch":3,"region":"north"}"#;
        let read = LeaderRecord::from_value(more, 1).expect("unknown fields are ignored");
        assert_eq!((read.address.as_str(), read.epoch), ("http://a:1", Some(3)));
        let other = LeaderRecord::from_value(b"10.0.0.3", 1).expect_err("it is no JSON");
        assert_eq!(other.code(), "leader_record");
    }
}
