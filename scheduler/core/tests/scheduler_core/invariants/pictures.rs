//! Pictures in voice channels: two of the five parties want one, for which there are one account and two workers.

use orb_scheduler_core::{
    AccountId, AccountKind, Effect, Event, GoLive, Request, SessionRecord, Step, StreamCredentials,
    VoiceLoss, Write,
};

use super::world::World;

/// The only account that can go live.
pub(super) const USER: AccountId = AccountId::new(3333);

pub(super) const ALLOWED: GoLive = GoLive::Allowed { by_default: false };

/// Parties 3 and 4, which are in two guilds.
pub(super) fn with_picture(mut create: Request, s: u8) -> Request {
    if let Request::Create { go_live, .. } = &mut create {
        *go_live = (s >= 3).then_some(true);
    }
    create
}

impl World {
    /// What goes with credentials for that seat.
    pub(super) fn stream_of(
        &self,
        account: AccountId,
        guild_id: u64,
    ) -> Option<Box<StreamCredentials>> {
        let is_live = self.seats.get(&(account, guild_id)).copied();
        is_live.unwrap_or_default().then(|| {
            Box::new(StreamCredentials {
                stream_key: format!("guild:{guild_id}:456:{}", account.get()),
                rtc_server_id: 77,
                endpoint: "localhost:2".to_owned(),
                token: format!("stream-{}", self.revisions),
            })
        })
    }

    /// One of its connections: the channel's, or the stream's.
    pub(crate) fn lose_voice(&mut self, s: u8, code: u16, stream: bool) {
        let Some((index, id)) = self.holder(s) else {
            return;
        };
        let Some(revision) = self.processes[index].told[&id].voice_revision else {
            return;
        };
        let mut observed = self.processes[index].report(&id, self.now);
        observed.voice_loss = Some(VoiceLoss {
            revision,
            close_code: Some(code),
            stream,
        });
        self.beat_with(index, vec![observed]);
    }

    /// Discord refuses the stream, or ends it for good.
    pub(crate) fn refuse_live(&mut self, s: u8) {
        let Some((account, guild_id)) = self.place(s) else {
            return;
        };
        self.seats.insert((account, guild_id), false);
        let reason = "stream_full".to_owned();
        self.event(Event::LiveRefused {
            account,
            guild_id,
            reason,
        });
        self.owe_credentials(account, guild_id, 456);
    }

    /// LS-12: a picture is with a user account and on a worker that sends pictures, or there is none; a user account is
    /// in one party at a time, and in none that never was to have a picture.
    pub(super) fn pictures_are_where_they_may(&mut self, step: &Step) {
        for write in &step.writes {
            if let Write::Event(row) = write
                && row.event_type == "golive_refused"
            {
                self.without_picture.insert(row.session.clone());
            }
        }
        let held = |record: &&SessionRecord| record.account == Some(USER);
        let by_user: Vec<_> = self.tables.records.values().filter(held).collect();
        assert!(by_user.len() <= 1, "LS-12: {by_user:?}");
        for record in self.tables.records.values() {
            let kind = match record.account {
                Some(USER) => AccountKind::User,
                _ => AccountKind::Bot,
            };
            let has_picture = record.desired.go_live;
            if record.account.is_some() && has_picture {
                assert_eq!(kind, AccountKind::User, "LS-12: {record:?}");
            }
            if kind == AccountKind::User {
                let had_one = self.without_picture.contains(&record.id);
                assert!(has_picture || had_one, "LS-12: {record:?}");
            }
            let has_stream = |voice: &orb_scheduler_core::VoiceCredentials| voice.stream.is_some();
            let has_stream = record.voice.as_ref().is_some_and(has_stream);
            assert!(has_picture || !has_stream, "LS-12: {record:?}");
        }
        for effect in &step.effects {
            self.word_of_picture_is_lawful(effect);
        }
    }

    fn word_of_picture_is_lawful(&self, effect: &Effect) {
        let is_users = |account: &AccountId| assert_eq!(*account, USER, "LS-12: {effect:?}");
        match effect {
            Effect::SendLease {
                worker,
                desired,
                voice,
                ..
            } => {
                let stream = voice.as_ref().and_then(|voice| voice.stream.as_ref());
                assert!(desired.go_live || stream.is_none(), "LS-12: {effect:?}");
                let process = self.processes.iter().find(|p| p.id == *worker).unwrap();
                assert!(
                    process.go_live || !desired.go_live,
                    "LS-12: {process:?} {effect:?}"
                );
            }
            Effect::JoinVoice {
                account,
                live: true,
                ..
            }
            | Effect::RefreshStream { account, .. }
            | Effect::PauseLive { account, .. } => is_users(account),
            _ => {}
        }
    }

    /// When the faults are over, Discord shows every stream as what its party is.
    pub(crate) fn pauses_are_shown(&self) {
        for ((account, guild_id), paused) in &self.shown_as_paused {
            let in_it = |record: &&SessionRecord| {
                record.account == Some(*account) && record.guild_id == guild_id.to_string()
            };
            let Some(record) = self.tables.records.values().find(in_it) else {
                continue;
            };
            let has_stream = record.voice.as_ref().is_some_and(|v| v.stream.is_some());
            if record.desired.in_channel && has_stream {
                assert_eq!(*paused, record.desired.paused, "LS-12: {record:?}");
            }
        }
    }

    /// Discord's side of op 22.
    pub(super) fn show(&mut self, effect: &Effect) {
        if let Effect::PauseLive {
            account,
            guild_id,
            paused,
        } = effect
        {
            self.shown_as_paused.insert((*account, *guild_id), *paused);
        }
    }
}
