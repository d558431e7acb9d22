//! What calls for sound and calls for a stream go through in the same way.

use std::time::{Duration, Instant};

use discord_sim::{DaveFault, Spoil};
use orb_voice::{CallEvent, Encryption, Step};

use crate::stage::{Answer, Stage};

/// Long enough for several retries of a driver that would not ask.
pub(crate) const WATCH: Duration = Duration::from_millis(1200);

impl Stage {
    /// The gate shuts between the dial and the step after it, and has been asked for that for a while.
    pub(crate) async fn shuts_after_the_dial(&self, since: Instant, step: Step) {
        self.until("the dial has come", |stage| {
            (stage.attempts(since).0 == 1).then_some(())
        })
        .await;
        self.gate.set(Answer::Shut);
        self.until("the gate is asked for what follows", |stage| {
            stage.gate.asked().contains(&step).then_some(())
        })
        .await;
        tokio::time::sleep(WATCH / 2).await;
    }

    /// Connects by leave that has always expired: it is asked for again and again, and nobody dials. Then it is given.
    pub(crate) async fn is_let_in_after_stale_leave(&mut self) -> Instant {
        self.gate.set(Answer::Stale);
        let since = Instant::now();
        self.connect();
        self.until("the gate was asked several times", |stage| {
            (stage.gate.asked().len() > 5).then_some(())
        })
        .await;
        assert_eq!(self.attempts(since), (0, 0, 0));
        self.gate.set(Answer::Open);
        since
    }

    /// What comes next is that the connection was closed with this code.
    pub(crate) async fn hears_of_close(&mut self, code: u16) {
        let event = self.event().await;
        let told = matches!(
            event,
            CallEvent::Reconnecting { close_code: Some(seen), .. }
            | CallEvent::Lost { close_code: Some(seen), .. } if seen == code
        );
        assert!(told, "{code}: {event:?}");
    }

    /// DAVE is taken away: what is sent stops before anything leaves without it. Until it is back nothing does; since when
    /// it may.
    pub(crate) async fn is_downgraded_and_upgraded(&mut self) -> Instant {
        self.dave(DaveFault::Downgrade);
        self.event_like(|event| *event == CallEvent::Encryption(Encryption::Waiting))
            .await;
        let taken = |stage: &Self| {
            (
                stage.source.sent(),
                stage.film.as_ref().map_or(0, |film| film.taken()),
            )
        };
        let (sound, pictures) = taken(self);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (sound_after, pictures_after) = taken(self);
        assert!(sound_after <= sound + 1, "the film waits");
        assert!(pictures_after <= pictures + 1, "the film waits");
        let upgraded = Instant::now();
        self.dave(DaveFault::Upgrade);
        upgraded
    }

    /// The commit that adds a member is spoiled on its way here; it is refused, and two are heard in the end.
    pub(crate) async fn mends_a_spoiled_commit(&self, how: Spoil) {
        self.dave(DaveFault::SpoilNext { user: None, how });
        self.member_joins(501);
        self.until("the commit is refused", |stage| {
            (stage.driver.stats().snapshot().invalid_commits > 0).then_some(())
        })
        .await;
        self.heard_by(2).await;
    }
}
