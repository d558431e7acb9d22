//! `orb party status --watch`: a party as it goes on, in place.
//!
//! ```text
//!  state events ─▶ Follower (connects again by itself) ─▶ Model ─▶ StatusText ─▶ Screen
//!                                       clock, four times a second ──┘
//! ```
//!
//! Between two events, at least one a second, the position is carried on by this machine's monotonic clock; no wall
//! clocks are compared. Where stdout is no terminal, there is a line at each change instead.

mod follower;
mod model;
mod screen;
mod signals;
mod status_text;

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, Fuse, FutureExt};
use futures::stream::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::Error;
use crate::api::{Party, Queue};
use crate::client::{Client, StreamEvent};
use crate::output::Output;
use crate::output::text::printable;

pub(crate) use follower::{Turn, follow};
use model::Model;
use screen::Screen;
pub(crate) use signals::Signals;
pub(crate) use status_text::{StatusText, state_colour, state_line};

/// Seconds that are shown change in time, and a bar of 60 cells moves smoothly in a film of a minute.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

/// Until the party is over or somebody ends it, which is no error.
pub(crate) async fn run(client: &Client, output: &Output, id: &str) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let mut turns = follow(client, id, None);
    let mut view = View::new(output);
    let mut clock = interval(REDRAW_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // What comes next is looked up beside all this: the view goes on meanwhile.
    let mut looking = pin!(Fuse::<BoxFuture<'_, Result<Option<String>, Error>>>::terminated());
    loop {
        tokio::select! {
            () = signals.next() => return view.end(),
            _ = clock.tick() => view.draw()?,
            next = &mut looking => if let Ok(next) = next {
                view.model.next = next;
                view.draw()?;
            },
            turn = turns.next() => match turn.transpose()? {
                Some(Turn::Event(StreamEvent::State(json))) => {
                    if output.json {
                        output.json_line(&json)?;
                    }
                    let party: Party = serde_json::from_str(&json).map_err(|error| Error::Garbled {
                        server: client.origin(),
                        reason: format!("its stream is not what was expected: {error}"),
                    })?;
                    if view.model.take(party, Instant::now()) && !output.json {
                        let party = view.model.party.clone();
                        looking.set(async move { next_title(client, &party).await }.boxed().fuse());
                    }
                    view.draw()?;
                    if view.model.party.is_over() {
                        return view.end();
                    }
                }
                Some(Turn::Event(StreamEvent::Happened { .. })) => {}
                Some(Turn::Connected) => view.notice(None)?,
                Some(Turn::Lost(reason)) => view.notice(Some(format!("{reason}; connecting again")))?,
                Some(Turn::Gone) | None => return view.end(),
            },
        }
    }
}

/// Title of the first entry that waits.
pub(crate) async fn next_title(client: &Client, party: &Party) -> Result<Option<String>, Error> {
    if party.queued == 0 {
        return Ok(None);
    }
    let answer = client.get(&["parties", &party.id, "queue"]).send().await?;
    let queue: Queue = answer.read()?;
    Ok(queue.waiting().next().map(|entry| entry.title.clone()))
}

/// How it is shown.
struct View<'a> {
    output: &'a Output,
    model: Model,
    screen: Option<Screen>,
    /// The last line that was printed where there is no screen, without its position.
    printed: Option<String>,
}

impl<'a> View<'a> {
    fn new(output: &'a Output) -> Self {
        let on_screen = output.is_terminal && !output.json;
        Self {
            output,
            model: Model::default(),
            screen: on_screen.then(Screen::new),
            printed: None,
        }
    }

    fn draw(&mut self) -> Result<(), Error> {
        if !self.model.has_state || self.output.json {
            return Ok(());
        }
        let text = self.model.text(Instant::now());
        let Some(screen) = &mut self.screen else {
            let change = text.without_position();
            if self.printed.as_ref() != Some(&change) {
                self.output.line(&text.in_a_line(self.output.style))?;
                self.printed = Some(change);
            }
            return Ok(());
        };
        let lines = text.lines(Screen::columns(), self.output.style);
        Ok(screen.draw(&lines)?)
    }

    /// On the screen, or on stderr where there is none.
    fn notice(&mut self, notice: Option<String>) -> Result<(), Error> {
        if let (None, Some(notice)) = (&self.screen, &notice) {
            eprintln!("orb: {}", printable(notice));
        }
        self.model.notice = notice.filter(|_| self.screen.is_some());
        self.draw()
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.screen.take() {
            Some(screen) => Ok(screen.end()?),
            None => Ok(()),
        }
    }
}
