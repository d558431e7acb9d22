//! Before and after the faults: all play, all recover, and everything is checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::checks::{self, Evidence, Recovery, Takeovers};
use crate::clients::{Caller, Clients};
use crate::counts::Counts;
use crate::diary::Diary;
use crate::history::{History, Store};
use crate::place::Life;
use crate::run::{Outcome, Plan};
use crate::stage::Stage;
use crate::{injection, logs};

/// At the beginning: workers probe the film and connect.
const PLAYS_WITHIN: Duration = Duration::from_mins(1);

/// After the last fault every party plays again within this time: a leader is elected (3 s), its leases are unknown
/// for `reattach_grace` (10 s), what was lost meanwhile is granted anew after `suspect_after` (2 s), and a debug build
/// opens source and voice on two busy cores (5 s).
pub(crate) const RECOVERS_WITHIN: Duration = Duration::from_secs(20);

/// A take-over goes on where the old worker was, give or take: the last beat (0.25 s), or after a change of the leader
/// the last checkpoint (`position_checkpoint`, 1 s), and what the leader took for a pause of its worker.
const POSITION_WITHIN_MS: u64 = 2_500;

/// A worker that the leader could not see plays on until its successor takes the channel: a new leader waits for
/// `reattach_grace` (10 s) first, after an election (3 s), and for `suspect_after` (2 s).
const POSITION_UNSEEN_WITHIN_MS: u64 = 18_000;

/// The status and the member's ear may be so far apart in the end.
const APART_MS: u64 = 500;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What there is to look at.
pub(crate) struct Aftermath {
    pub(crate) plan: Plan,
    pub(crate) stage: Arc<Stage>,
    pub(crate) store: Store,
    pub(crate) caller: Caller,
    pub(crate) diary: Arc<Diary>,
    /// With a party each.
    pub(crate) guilds: Vec<u64>,
}

impl Aftermath {
    pub(crate) async fn all_play(&self) -> Result<()> {
        let deadline = Instant::now() + PLAYS_WITHIN;
        for guild in &self.guilds {
            let begun = Instant::now();
            while checks::plays_by(&self.stage.discord.heard(*guild), begun) == Recovery::Silent {
                if Instant::now() > deadline {
                    bail!(
                        "the party of guild {guild} did not begin to play within {PLAYS_WITHIN:?}"
                    );
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Waits until every party that is meant to be heard is; the longest that one took.
    pub(crate) async fn recover(&self, healed: Instant) -> Result<Duration> {
        let mut worst = Duration::ZERO;
        for (id, session) in self.store.sessions().await? {
            if !session.shall_play() {
                continue;
            }
            // A call that came later moved it: what counts is when it played after that.
            let calls = self.caller.history.calls();
            let of_session = calls.iter().filter(|call| call.session == id);
            let answers = of_session.filter_map(|call| call.acknowledged().map(|answer| answer.at));
            let from = answers.max().unwrap_or(healed).max(healed);
            let guild: u64 = session.guild.parse().context("guilds are numbers")?;
            let deadline = from + RECOVERS_WITHIN + 2 * LOOK_EVERY;
            loop {
                match checks::plays_by(&self.stage.discord.heard(guild), from) {
                    Recovery::After(after) if after <= RECOVERS_WITHIN => {
                        self.diary.say(&format!("{id} plays after {after:?}"));
                        worst = worst.max(after);
                        break;
                    }
                    _ if Instant::now() > deadline + Duration::from_secs(2) => {
                        worst = worst.max(RECOVERS_WITHIN);
                        let status = self.caller.status(&id).await.map(|status| status.body);
                        let status = status.unwrap_or_default();
                        let what = format!(
                            "{id} does not play within {RECOVERS_WITHIN:?}; its status is {status}"
                        );
                        self.diary.violation(Some(from), what);
                        break;
                    }
                    _ => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        }
        Ok(worst)
    }

    /// What the status says is what the member hears.
    pub(crate) async fn apart(&self, clients: &Clients) {
        for party in &clients.parties {
            let id = party.session();
            let Some(status) = self.caller.status(&id).await else {
                self.diary
                    .violation(None, format!("no gateway answers for {id} in the end"));
                continue;
            };
            if status.text("playbackState") != "playing" {
                continue;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            let since = status
                .asked
                .checked_sub(Duration::from_secs(4))
                .unwrap_or(status.asked);
            let heard = self.stage.discord.heard_since(party.guild, since);
            let report = tokio::task::block_in_place(|| heard.listen());
            let said = status.body["positionMs"].as_u64().unwrap_or_default() as f64 / 1000.0;
            let heard = report.ok().and_then(|report| {
                Some((
                    report.position_at(status.asked)?,
                    report.position_at(status.answered)?,
                ))
            });
            let Some((from, to)) = heard else {
                self.diary
                    .say(&format!("{id}: the second at the member is not known"));
                continue;
            };
            let apart = if said < from {
                from - said
            } else {
                (said - to).max(0.0)
            };
            self.diary.say(&format!(
                "{id}: status {said:.3} s, member {from:.3} to {to:.3} s"
            ));
            if apart * 1000.0 > APART_MS as f64 {
                let what =
                    format!("{id}: the status says {said:.3} s, and the member hears {from:.3} s");
                self.diary.violation(Some(status.asked), what);
            }
        }
    }

    pub(crate) async fn outcome(
        &self,
        worst_recovery: Duration,
        last_answer: Duration,
    ) -> Result<Outcome> {
        let history = self.store.history().await?;
        let calls_made = self.caller.history.calls();
        let evidence = self.evidence().await;
        let (calls, mut wrong) = checks::calls(&calls_made, &history);
        let (dials, more) = checks::dials(&evidence, &history);
        wrong.extend(more);
        let (gateway_overlaps, late, more) = checks::gateway(&evidence);
        wrong.extend(more);
        wrong.extend(checks::leases(&history));
        wrong.extend(evidence.panics());
        let (takeovers, more) = self.takeovers(&history, &evidence)?;
        wrong.extend(more);
        for what in wrong {
            self.diary.violation(None, what);
        }
        let counts = Counts {
            plan: self.plan,
            faults: self
                .diary
                .faults()
                .into_iter()
                .map(|(kind, n)| format!("{kind}={n}"))
                .collect(),
            calls,
            dials,
            gateway_overlaps,
            late: late + dials.late,
            takeovers,
            worst_recovery,
            worst_call: checks::worst_call(&calls_made),
            last_answer,
        };
        let line = counts.line();
        self.diary.say(&line);
        let violations = self.diary.violations().into_iter().map(|violation| {
            let at = violation
                .at
                .map(|at| format!("at {:.3} s: ", self.diary.time_of(at).as_secs_f64()));
            format!("{}{}", at.unwrap_or_default(), violation.what)
        });
        Ok(Outcome {
            counts: line,
            violations: violations.collect(),
        })
    }

    fn takeovers(
        &self,
        history: &History,
        evidence: &Evidence<'_>,
    ) -> Result<(Takeovers, Vec<String>)> {
        let mut all = Takeovers::default();
        let mut wrong = Vec::new();
        for guild in &self.guilds {
            let name = guild.to_string();
            let of_guild = history
                .sessions
                .iter()
                .filter(|(_, session)| session.guild == name);
            let events: Vec<_> = of_guild
                .filter_map(|(id, _)| history.events.get(id))
                .flatten()
                .collect();
            let heard = self.stage.discord.heard(*guild);
            let (found, lines) =
                tokio::task::block_in_place(|| checks::takeovers(&heard, &events, evidence))?;
            for line in lines {
                self.diary.say(&line);
            }
            all = all.and(found);
        }
        let bounds = [
            (all.worst_ms, POSITION_WITHIN_MS),
            (all.worst_unseen_ms, POSITION_UNSEEN_WITHIN_MS),
        ];
        for (worst, bound) in bounds {
            if worst > bound {
                wrong.push(format!(
                    "a take-over was {worst} ms off, which is above {bound} ms"
                ));
            }
        }
        Ok((all, wrong))
    }

    async fn evidence(&self) -> Evidence<'_> {
        let mut lives: Vec<(Life, PathBuf)> = Vec::new();
        for slot in self.stage.slots.values() {
            let mut slot = slot.lock().await;
            injection::still_runs(&mut slot, &self.diary);
            lives.extend(slot.logs.clone());
        }
        let read = |(life, path): (Life, PathBuf)| {
            let lines = logs::read(&path);
            (life, path, lines)
        };
        Evidence {
            record: self.stage.discord.record(),
            clock: self.stage.discord.heard(self.guilds[0]).clock(),
            logs: lives.into_iter().map(read).collect(),
            network: &self.stage.base.network,
            stops: self.diary.stops(),
            silences: self.stage.base.network.silences(),
        }
    }
}
