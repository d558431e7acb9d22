//! `create`: durable at once, and waits for no worker.

use crate::call::Done;
use crate::cause::By;
use crate::record::FIRST_VERSION;
use crate::timers::Timer;
use crate::{
    Call, Desired, Effect, EntryId, FencingToken, Generation, Now, Refusal, Request, Scheduler,
    Session, SessionId, SessionRecord, Step, StoredSession,
};

impl Scheduler {
    pub(crate) fn create(
        &mut self,
        call: &Call,
        now: Now,
        step: &mut Step,
    ) -> Result<Done, Refusal> {
        let Request::Create {
            guild_id,
            voice_channel_id,
            text_channel_id,
            worker_session_id,
            title,
            owner_user_id,
            at_queue_end,
            go_live,
        } = &call.request
        else {
            unreachable!("only create calls come here")
        };
        let id = &call.session;
        let go_live = self.wants_picture(*go_live)?;
        if self.sessions.contains_key(id) {
            return self.create_again(id, guild_id, voice_channel_id, text_channel_id, now, step);
        }
        check_session_id(id)?;
        let guild = snowflake("guild_id", guild_id)?;
        let channel = snowflake("voice_channel_id", voice_channel_id)?;
        snowflake("text_channel_id", text_channel_id)?;
        check_title(title)?;
        if !owner_user_id.is_empty() {
            snowflake("owner_user_id", owner_user_id)?;
        }
        let account = self.free_account(guild, go_live, now.monotonic)?;
        let generation = Generation::default().next();
        self.leased.insert((account, guild), id.clone());
        let record = SessionRecord {
            id: id.clone(),
            worker_session_id: worker_session_id.clone(),
            guild_id: guild_id.clone(),
            voice_channel_id: voice_channel_id.clone(),
            text_channel_id: text_channel_id.clone(),
            created_at: now.wall_ms,
            updated_at: now.wall_ms,
            desired: Desired {
                generation,
                in_channel: true,
                go_live,
                trace: call.trace.clone(),
                ..Desired::default()
            },
            lease: None,
            handover: None,
            last_token: FencingToken::default(),
            last_worker: None,
            futile_losses: Vec::new(),
            account: Some(account),
            voice: None,
            ended: None,
            stopped: false,
            last_error: None,
            position_ms: 0,
            duration_ms: None,
            title: title.clone(),
            owner_user_id: owner_user_id.clone(),
            at_queue_end: *at_queue_end,
            queue_version: FIRST_VERSION,
            last_entry: EntryId::default(),
            follows: None,
        };
        let queue = Vec::new();
        let mut session = Session::new(StoredSession { record, queue });
        session.save(false, step);
        step.event(
            id,
            "created",
            &By::caller(&call.actor),
            serde_json::json!({ "guildId": guild_id, "voiceChannelId": voice_channel_id }),
        );
        if go_live {
            let by = By::caller(&call.actor);
            step.event(id, "golive_on", &by, serde_json::json!({}));
        }
        self.sessions.insert(id.clone(), session);
        self.timers.at(
            now.monotonic.after(self.timing.idle_leave_ms),
            Timer::IdleLeave(id.clone(), generation),
        );
        // It has nothing in it, but a version that edits may name.
        step.effects.push(Effect::QueueChanged(id.clone()));
        step.effects.push(Effect::JoinVoice {
            account,
            guild_id: guild,
            channel_id: channel,
            live: go_live,
        });
        // It waits for no worker: whoever has room takes it, now or later.
        self.orphaned(id);
        Ok(Done {
            created: true,
            ..Done::at(generation)
        })
    }

    fn create_again(
        &mut self,
        id: &SessionId,
        guild_id: &str,
        voice_channel_id: &str,
        text_channel_id: &str,
        now: Now,
        step: &mut Step,
    ) -> Result<Done, Refusal> {
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        if session.record.guild_id != guild_id
            || session.record.voice_channel_id != voice_channel_id
        {
            return Err(Refusal::conflict(id));
        }
        snowflake("text_channel_id", text_channel_id)?;
        if session.record.text_channel_id != text_channel_id {
            text_channel_id.clone_into(&mut session.record.text_channel_id);
            session.record.updated_at = now.wall_ms;
            session.save(alive, step);
        }
        Ok(Done::at(session.record.desired.generation))
    }

    /// Sees to it that the session holds `(account, guild)` and is, or will be, in the channel.
    pub(crate) fn enter_channel(
        &mut self,
        id: &SessionId,
        now: Now,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(id) else {
            return Err(Refusal::not_found(id));
        };
        let (guild, channel) = (session.guild(), session.channel());
        let go_live = session.record.desired.go_live;
        let joins = !session.record.desired.in_channel || session.voice_failed_since.is_some();
        let account = match session.record.account {
            Some(account) => {
                if joins {
                    self.may_join(account, guild, now.monotonic)?;
                }
                account
            }
            None => self.free_account(guild, go_live, now.monotonic)?,
        };
        self.leased.insert((account, guild), id.clone());
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        session.record.account = Some(account);
        session.refreshes = 0;
        session.voice_failed_since = None;
        if joins {
            session.record.voice = None;
            session.change(now, |desired, _| desired.in_channel = true);
            step.effects.push(Effect::JoinVoice {
                account,
                guild_id: guild,
                channel_id: channel,
                live: go_live,
            });
        }
        Ok(())
    }
}

const MAX_ID: usize = 128;

/// In characters.
const MAX_TITLE: usize = 200;

fn check_title(title: &str) -> Result<(), Refusal> {
    if title.chars().count() <= MAX_TITLE {
        return Ok(());
    }
    Err(Refusal::invalid(
        "title",
        "too_long",
        "must not be longer than 200 characters",
    ))
}

fn check_session_id(id: &SessionId) -> Result<(), Refusal> {
    let text = id.as_str();
    let fits = (1..=MAX_ID).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
    if fits {
        return Ok(());
    }
    Err(Refusal::invalid(
        "session_id",
        "invalid_id",
        "must be 1 to 128 characters of letters, digits, dot, underscore, colon and hyphen",
    ))
}

fn snowflake(field: &str, text: &str) -> Result<u64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(id) if digits && id > 0 => Ok(id),
        _ => Err(Refusal::invalid(
            field,
            "invalid_id",
            "must be a Discord id: a string of digits",
        )),
    }
}
