//! What each command asks of the API, and what it shows of the answer.

mod control;
mod events;
mod library;
mod party;
mod queue;
mod workers;

use crate::Error;
use crate::arguments::{Command, Party, PartyCommand};
use crate::choose;
use crate::client::Client;
use crate::output::Output;
use crate::watch;

pub(crate) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Error> {
    match command {
        Command::Party(party) => {
            let context = Context {
                client,
                output,
                wanted: party.wanted.clone(),
            };
            run_party(party, &context).await
        }
        Command::Library(library) => library::run(library.command, client, output).await,
        Command::Workers(workers) => workers::run(workers.command, client, output).await,
    }
}

async fn run_party(party: Party, context: &Context<'_>) -> Result<(), Error> {
    match party.command {
        PartyCommand::Create(create) => party::create(context, create).await,
        PartyCommand::List => party::list(context).await,
        PartyCommand::Show(which) => party::show(context, &context.party(which.named).await?).await,
        PartyCommand::End(which) => party::end(context, &context.party(which.named).await?).await,
        PartyCommand::Status(status) => {
            let id = context.party(status.which.named).await?;
            if status.watch {
                return watch::run(context.client, context.output, &id).await;
            }
            party::status(context, &id).await
        }
        PartyCommand::Play(play) => control::play(context, play).await,
        PartyCommand::Pause(which) => control::plain(context, which, "pause").await,
        PartyCommand::Resume(which) => control::plain(context, which, "resume").await,
        PartyCommand::Skip(which) => control::plain(context, which, "skip").await,
        PartyCommand::Previous(which) => control::plain(context, which, "previous").await,
        PartyCommand::Stop(which) => control::plain(context, which, "stop").await,
        PartyCommand::Seek(seek) => control::seek(context, seek).await,
        PartyCommand::Queue(command) => queue::run(context, command).await,
        PartyCommand::Events(events) => events::run(context, events).await,
    }
}

/// What every command of `orb party` has.
struct Context<'a> {
    client: &'a Client,
    output: &'a Output,
    /// As `--party` or `ORB_PARTY` names it.
    wanted: Option<String>,
}

impl Context<'_> {
    /// The id of the party: that which stands beside the command, else the option's.
    async fn party(&self, named: Option<String>) -> Result<String, Error> {
        let wanted = named.or_else(|| self.wanted.clone());
        choose::party(self.client, wanted.as_deref()).await
    }
}
