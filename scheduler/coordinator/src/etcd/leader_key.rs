//! What is done to the leader's key, each a question that may be asked twice.

use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, Error as ClientError, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse,
    WatchOptions, WatchStream,
};
use tokio::time::timeout;

use super::members::{Members, error_of};
use crate::{Error, LeaderRecord};

/// The one key. Two installations need two etcds.
const KEY: &str = "orb/scheduler/leader";

/// A lease as etcd granted it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) id: i64,
    /// At least what was asked for.
    pub(super) ttl: Duration,
}

/// The leader's key.
#[derive(Clone)]
pub(super) struct LeaderKey {
    members: Members,
}

impl LeaderKey {
    pub(super) fn new(members: Members) -> Self {
        Self { members }
    }

    /// As a quorum has it now.
    pub(super) async fn read(&self) -> Result<Option<KeyValue>, Error> {
        Ok(self.list().await?.0)
    }

    /// The key, and etcd's revision at which it was so.
    pub(super) async fn list(&self) -> Result<(Option<KeyValue>, i64), Error> {
        self.members
            .ask(|mut etcd| async move {
                let mut answer = etcd.get(KEY, None).await?;
                let revision = answer
                    .header()
                    .map_or(0, etcd_client::ResponseHeader::revision);
                Ok((answer.take_kvs().pop(), revision))
            })
            .await
    }

    /// Everything that happens to the key from this revision on, told by one member.
    pub(super) async fn watch_from(&self, revision: i64) -> Result<WatchStream, Error> {
        let options = WatchOptions::new().with_start_revision(revision);
        let mut etcd = self.members.preferred();
        timeout(
            self.members.request_timeout(),
            etcd.watch(KEY, Some(options)),
        )
        .await
        .map_err(|_| Error::Unavailable("no watch in time".into()))?
        .map_err(error_of)
    }

    pub(super) async fn grant(&self, ttl: Duration) -> Result<Lease, Error> {
        let seconds = ttl.as_secs() as i64;
        self.members
            .ask(|mut etcd| async move {
                let granted = etcd.lease_grant(seconds, None).await?;
                Ok(Lease {
                    id: granted.id(),
                    ttl: Duration::from_secs(granted.ttl() as u64),
                })
            })
            .await
    }

    /// Creates the key where there is none: the revision of its creation, or `None` when somebody has it.
    pub(super) async fn take(
        &self,
        record: &LeaderRecord,
        lease: i64,
    ) -> Result<Option<i64>, Error> {
        let value = record.to_value()?;
        let found = self
            .members
            .ask(|mut etcd| {
                let put = PutOptions::new().with_lease(lease);
                let txn = Txn::new()
                    .when([Compare::create_revision(KEY, CompareOp::Equal, 0)])
                    .and_then([
                        TxnOp::put(KEY, value.clone(), Some(put)),
                        TxnOp::get(KEY, None),
                    ])
                    .or_else([TxnOp::get(KEY, None)]);
                async move {
                    let answer = etcd.txn(txn).await?;
                    let found = answer
                        .op_responses()
                        .into_iter()
                        .find_map(|part| match part {
                            TxnOpResponse::Get(mut found) => found.take_kvs().pop(),
                            _ => None,
                        });
                    Ok(found)
                }
            })
            .await?;
        // Asked twice, the second answer finds what the first one made.
        Ok(found
            .filter(|key| key.lease() == lease)
            .map(|key| key.create_revision()))
    }

    /// Sends a keep-alive, and asks then whether the key is still the one made at `revision`. `false`
    /// when lease or key has gone.
    ///
    /// The second question is not for show: a member that has lost its quorum without knowing answers
    /// keep-alives from memory, while a read needs the quorum; and an etcd restored from a snapshot may
    /// know the lease and not the key.
    ///
    /// The keep-alive is one exchange on a stream of its own: twice a second, that is cheaper than a
    /// stream that has to be found broken and made anew.
    pub(super) async fn renew(&self, lease: i64, revision: i64) -> Result<bool, Error> {
        self.members
            .ask(|mut etcd| async move {
                match etcd.lease_keep_alive(lease).await {
                    // What the client makes of an answer with no time to live.
                    Err(ClientError::LeaseKeepAliveError(_)) => return Ok(false),
                    answer => answer?,
                };
                let key = etcd.get(KEY, None).await?;
                Ok(key
                    .kvs()
                    .first()
                    .is_some_and(|key| key.create_revision() == revision && key.lease() == lease))
            })
            .await
    }

    /// Writes another value under the key made at `revision`; `false` when it has gone.
    pub(super) async fn write(
        &self,
        record: &LeaderRecord,
        lease: i64,
        revision: i64,
    ) -> Result<bool, Error> {
        let value = record.to_value()?;
        self.members
            .ask(|mut etcd| {
                let put = PutOptions::new().with_lease(lease);
                let txn = Txn::new()
                    .when([Compare::create_revision(KEY, CompareOp::Equal, revision)])
                    .and_then([TxnOp::put(KEY, value.clone(), Some(put))]);
                async move { Ok(etcd.txn(txn).await?.succeeded()) }
            })
            .await
    }

    /// Gives the lease back; the key goes with it. A lease that has gone is no error.
    pub(super) async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.members
            .ask(|mut etcd| async move {
                match etcd.lease_revoke(lease).await {
                    Err(ClientError::GRpcStatus(status))
                        if status.code() == tonic::Code::NotFound =>
                    {
                        Ok(())
                    }
                    answer => answer.map(|_| ()),
                }
            })
            .await
    }
}

/// The record that the key holds.
pub(super) fn record(key: &KeyValue) -> Result<LeaderRecord, Error> {
    LeaderRecord::from_value(key.value(), key.create_revision() as u64)
}
