//! The command line, and its help.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use url::Url;

use crate::media_time::SeekTarget;

const PARTY_EXAMPLES: &str = "\
Examples:
  orb party create --guild 123 --voice-channel 456 --text-channel 789 --title \"Movie night\"
  orb party queue add --search \"the clock\"
  orb party play
  orb party seek 1:02:30          (or 90, +30, -10)
  orb party status --watch
  orb party list --json

A party is named by its id or the beginning of it; where there is only one, it need not be named.
The server is ORB_SERVER or --server, the token ORB_API_TOKEN (or the first of ORB_API_TOKENS).

Exit codes: 0 done, 1 refused by the server, 2 used wrongly, 3 no server answers.";

const LIBRARY_EXAMPLES: &str = "\
Examples:
  orb library search \"the clock\"
  orb library search alien --kind movie --limit 5
  orb library show 5f3c…
  orb library children 5f3c…      (the seasons of a series, the episodes of a season)";

const WORKERS_EXAMPLES: &str = "\
Examples:
  orb workers
  orb workers drain worker-2      (hands its parties over, then its process ends)";

/// What a client of a running server can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch parties: make them, fill their queue, play, pause, seek, watch.
    #[command(after_help = PARTY_EXAMPLES)]
    Party(Party),
    /// The Jellyfin library: search and browse.
    #[command(after_help = LIBRARY_EXAMPLES)]
    Library(Library),
    /// The workers, and draining one of them.
    #[command(after_help = WORKERS_EXAMPLES)]
    Workers(Workers),
}

impl Command {
    pub(crate) fn connection(&self) -> &Connection {
        match self {
            Self::Party(party) => &party.connection,
            Self::Library(library) => &library.connection,
            Self::Workers(workers) => &workers.connection,
        }
    }
}

/// Which server, as whom, and how its answers are shown.
#[derive(Debug, Args)]
pub struct Connection {
    /// The server's address.
    #[arg(
        long,
        global = true,
        env = "ORB_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Connection"
    )]
    pub server: Url,
    #[expect(clippy::doc_markdown, reason = "this is the help, and shows backticks")]
    /// File with the API token; else it is ORB_API_TOKEN, or the first of ORB_API_TOKENS. (A token on the command line
    /// could be read by every user of this machine.)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub token_file: Option<PathBuf>,
    /// Prints what the API answers, as it is: one JSON object, or one a line where there is no end.
    #[arg(long, global = true, help_heading = "Connection")]
    pub json: bool,
}

/// `orb party`.
#[derive(Debug, Args)]
pub struct Party {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The party, by id or the beginning of it; not needed where there is only one.
    #[arg(
        short = 'p',
        long = "party",
        global = true,
        env = "ORB_PARTY",
        hide_env_values = true,
        value_name = "PARTY"
    )]
    pub(crate) wanted: Option<String>,
    #[command(subcommand)]
    pub(crate) command: PartyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PartyCommand {
    /// Makes a party. Nothing plays yet.
    Create(Create),
    /// All parties.
    List,
    /// Everything about one party.
    Show(Which),
    /// Stops, leaves the channel, and empties the queue.
    End(Which),
    /// Plays: what is paused, else the head of the queue; or what is named.
    Play(Play),
    /// Pauses.
    Pause(Which),
    /// Goes on.
    Resume(Which),
    /// Goes to another place of what plays.
    Seek(Seek),
    /// Ends what plays; the next entry of the queue plays.
    Skip(Which),
    /// Plays the entry before, from its start.
    Previous(Which),
    /// Stops and leaves the channel; the queue stays.
    Stop(Which),
    /// What is queued, and changes of it.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// What happened, oldest first.
    Events(Events),
    /// What plays, and how far it is.
    Status(Status),
}

/// A party.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The party, by id or the beginning of it.
    #[arg(value_name = "PARTY")]
    pub(crate) named: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Discord server.
    #[arg(long, value_name = "ID")]
    pub(crate) guild: String,
    /// Voice channel that is joined.
    #[arg(long, value_name = "ID")]
    pub(crate) voice_channel: String,
    /// Text channel of the party.
    #[arg(long, value_name = "ID")]
    pub(crate) text_channel: String,
    /// Id of the party; made up when not given.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Title of the party.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Discord user who owns it.
    #[arg(long, value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// What happens after the last entry: wait in the channel for more, or leave it.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) at_queue_end: Option<AtQueueEnd>,
    /// Sends the picture into the voice channel, too, where the installation allows it: docs/golive.md.
    #[arg(long)]
    pub(crate) go_live: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AtQueueEnd {
    Wait,
    Leave,
}

#[derive(Debug, Args)]
pub(crate) struct Play {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Plays this item of the library at once.
    #[arg(long, value_name = "ITEM", conflicts_with_all = ["entry", "search"])]
    pub(crate) item: Option<String>,
    /// Plays this entry of the queue at once.
    #[arg(long, value_name = "ENTRY", conflicts_with = "search")]
    pub(crate) entry: Option<u64>,
    /// Plays what the library has under this title, at once.
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Seek {
    /// Where to: 90, 1:30 or 1:02:03 from the start; +30 or -1:30 from here.
    #[arg(value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: SeekTarget,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// What was played, what plays, what waits.
    List(Which),
    /// Adds items to the end. A series is its next episode, a season or collection all of its items.
    Add(Items),
    /// Adds items to the head: they play next.
    Next(Items),
    /// Removes waiting entries.
    Remove {
        /// Numbers of entries, as `orb party queue list` shows them.
        #[arg(required = true, value_name = "ENTRY")]
        entries: Vec<u64>,
    },
    /// Moves a waiting entry.
    Move {
        /// The entry.
        #[arg(value_name = "ENTRY")]
        entry: u64,
        /// Its new place: 1 plays next.
        #[arg(value_name = "PLACE", value_parser = clap::value_parser!(u64).range(1..))]
        place: u64,
    },
    /// Puts waiting entries first, in this order; the others follow in theirs.
    Reorder {
        /// Numbers of entries.
        #[arg(required = true, value_name = "ENTRY")]
        entries: Vec<u64>,
    },
    /// Removes all waiting entries.
    Clear(Which),
}

#[derive(Debug, Args)]
pub(crate) struct Items {
    /// Items of the library, as `orb library search` shows them.
    #[arg(value_name = "ITEM", required_unless_present = "search")]
    pub(crate) items: Vec<String>,
    /// Looks for a title instead; asks when there are several, and fails with them where nobody can be asked.
    #[arg(long, value_name = "TEXT", conflicts_with = "items")]
    pub(crate) search: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only events after this one.
    #[arg(long, value_name = "EVENT")]
    pub(crate) after: Option<u64>,
    /// How many at most.
    #[arg(long, value_name = "N", conflicts_with = "follow")]
    pub(crate) limit: Option<u32>,
    /// Shows further events as they happen, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Stays, and shows how it goes on, until the party has ended or Ctrl-C.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// `orb library`.
#[derive(Debug, Args)]
pub struct Library {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: LibraryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LibraryCommand {
    /// Items with these words in their title.
    Search {
        /// Words of the title.
        #[arg(required = true)]
        text: Vec<String>,
        /// Only these kinds, such as movie, series, episode; comma-separated.
        #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
        kinds: Vec<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Everything about one item.
    Show {
        /// The item.
        item: String,
    },
    /// What is in an item: seasons of a series, episodes of a season, films of a collection.
    Children {
        /// The item.
        item: String,
        #[command(flatten)]
        page: Page,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    /// How many to leave out.
    #[arg(long, value_name = "N")]
    pub(crate) start: Option<u32>,
    /// How many at most.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
}

/// `orb workers`.
#[derive(Debug, Args)]
pub struct Workers {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Option<WorkersCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkersCommand {
    /// Has a worker hand over what it plays and end, as SIGTERM does.
    Drain {
        /// The worker's id.
        id: String,
    },
}
