//! What is done once it is durable: answers, words to workers, commands to accounts.

use orb_proto::v1;
use orb_scheduler_core::Effect;
use orb_scheduler_store::Store;

use super::batch::Batch;
use super::{Leader, Waiting};
use crate::handle::CallError;
use crate::spans::{Decisions, in_words};
use crate::{AccountCommand, Error, convert};

impl<S: Store> Leader<S> {
    /// The effects in order, each only while the leadership is sure. Those that are left undone so are not lost: the
    /// next leader loads what was committed.
    pub(super) async fn act_on(&mut self, mut batch: Batch) -> Result<(), Error> {
        self.check_sure()?;
        // Views first: whoever is answered, or told anything, then reads what was committed.
        for view in std::mem::take(&mut batch.views) {
            self.views.publish(view);
        }
        for (session, queue) in std::mem::take(&mut batch.queues) {
            self.views.publish_queue(&session, queue);
        }
        for session in std::mem::take(&mut batch.happened) {
            self.feeds.wake(&session);
        }
        for effect in batch.take_effects() {
            self.check_sure()?;
            self.act(effect, &batch.decisions).await;
        }
        Ok(())
    }

    async fn act(&mut self, effect: Effect, decisions: &Decisions) {
        use v1::attach_response::Message;
        match effect {
            Effect::Answer { call, result } => {
                if let Err(refusal) = &result {
                    self.counters.refused(refusal);
                }
                if let Some(Waiting { reply, span }) = self.waiting.remove(&call) {
                    if let Err(refusal) = &result {
                        orb_telemetry::failed(&span, &refusal.code);
                    }
                    // The caller may have gone; what it asked for is done all the same.
                    let _ = reply.send(result.map_err(CallError::Refused));
                }
            }
            Effect::SendLease {
                worker,
                incarnation,
                session,
                fence,
                desired,
                voice,
                role,
            } => {
                let voice = voice.map(|voice| *voice);
                let behind = decisions.behind(&session, fence.token, desired.trace.as_ref());
                let lease = convert::lease(&session, fence, *desired, voice, role, behind);
                let word = v1::AttachResponse {
                    message: Some(Message::Lease(lease)),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::SendRevoke {
                worker,
                incarnation,
                session,
                fence,
            } => {
                let revoke = v1::Revoke {
                    session_id: session.to_string(),
                    fence: Some(convert::fence(fence)),
                };
                let word = v1::AttachResponse {
                    message: Some(Message::Revoke(revoke)),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::ConfirmLeases {
                worker,
                incarnation,
                request,
                verdicts,
            } => {
                let confirmed = convert::leases_confirmed(request, verdicts);
                let word = v1::AttachResponse {
                    message: Some(Message::LeasesConfirmed(confirmed)),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::RefuseWorker {
                worker,
                incarnation,
            } => {
                tracing::warn!(%worker, %incarnation, "refused: another process with this worker id is alive");
                self.links.close(&worker, &incarnation);
            }
            Effect::JoinVoice {
                account,
                guild_id,
                channel_id,
                live,
            } => {
                self.tell_accounts(AccountCommand::Join {
                    account,
                    guild_id,
                    channel_id,
                    live,
                })
                .await;
            }
            Effect::RefreshStream { account, guild_id } => {
                self.tell_accounts(AccountCommand::RefreshStream { account, guild_id })
                    .await;
            }
            Effect::PauseLive {
                account,
                guild_id,
                paused,
            } => {
                self.tell_accounts(AccountCommand::PauseLive {
                    account,
                    guild_id,
                    paused,
                })
                .await;
            }
            Effect::RefreshVoice { account, guild_id } => {
                self.tell_accounts(AccountCommand::Refresh { account, guild_id })
                    .await;
            }
            Effect::LeaveVoice { account, guild_id } => {
                self.tell_accounts(AccountCommand::Leave { account, guild_id })
                    .await;
            }
            Effect::StartDrain {
                worker,
                incarnation,
            } => {
                let word = v1::AttachResponse {
                    message: Some(Message::StartDrain(v1::StartDrain {})),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::Drained {
                worker,
                incarnation,
            } => {
                tracing::info!(%worker, %incarnation, "nothing is left on the worker");
                let word = v1::AttachResponse {
                    message: Some(Message::Drained(v1::Drained {})),
                };
                self.links.send(&worker, &incarnation, word);
            }
            // Their spans began when they were decided.
            Effect::Placed {
                session,
                explanation,
                ..
            } => {
                tracing::info!(%session, placement = %in_words(&explanation), "placement decided");
            }
            Effect::Granted { grant, .. } => self.counters.granted(grant.cause),
            Effect::Changed(_) | Effect::QueueChanged(_) | Effect::Advanced(_) => {}
            Effect::Forgotten(session) => self.views.remove(&session),
        }
    }

    async fn tell_accounts(&self, command: AccountCommand) {
        // Only the end of this term closes the queue; the next leader's load asks for all joins again.
        let _ = self.accounts.send(command).await;
    }
}
