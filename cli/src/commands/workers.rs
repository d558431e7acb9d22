//! The workers of an installation.

use crate::Error;
use crate::api::{Worker, Workers};
use crate::arguments::WorkersCommand;
use crate::client::Client;
use crate::output::text::printable;
use crate::output::{Align, Colour, Output, Table};

pub(super) async fn run(
    command: Option<WorkersCommand>,
    client: &Client,
    output: &Output,
) -> Result<(), Error> {
    match command {
        None => {
            let answer = client.get(&["workers"]).send().await?;
            output.show(&answer, |style| {
                let Workers { workers } = answer.read()?;
                if workers.is_empty() {
                    return Ok("no worker is attached; start one with `orb worker`".to_owned());
                }
                Ok(table(&workers).render(style))
            })
        }
        Some(WorkersCommand::Drain { id }) => {
            let answer = client.post(&["workers", &id, "drain"]).send().await?;
            output.show(&answer, |_| {
                let id = printable(&id);
                Ok(format!(
                    "{id} drains: it hands its parties over, then its process ends"
                ))
            })
        }
    }
}

fn table(workers: &[Worker]) -> Table {
    let mut table = Table::new(&[
        ("WORKER", Align::Left),
        ("STATE", Align::Left),
        ("PARTIES", Align::Right),
        ("PICTURES", Align::Right),
        ("FREE", Align::Right),
        ("CORES", Align::Right),
        ("HEARD", Align::Right),
    ]);
    for worker in workers {
        table.row(vec![
            (worker.id.clone(), None),
            (worker.standing.clone(), colour(&worker.standing)),
            (worker.party_ids.len().to_string(), None),
            (pictures(worker), None),
            (cores(worker.free_millicores), None),
            (cores(worker.total_millicores), None),
            (heard(worker), None),
        ]);
    }
    table
}

/// A dash for one that sends none; what is still counted on it is shown in any case.
fn pictures(worker: &Worker) -> String {
    match worker.pictures {
        0 if !worker.go_live => "-".to_owned(),
        pictures => pictures.to_string(),
    }
}

fn heard(worker: &Worker) -> String {
    worker.silent_ms.map_or_else(
        || "-".to_owned(),
        |silent| format!("{:.1} s ago", silent as f64 / 1000.0),
    )
}

fn cores(millicores: u64) -> String {
    format!("{:.2}", millicores as f64 / 1000.0)
}

fn colour(standing: &str) -> Option<Colour> {
    match standing {
        "ready" => Some(Colour::Green),
        "draining" => Some(Colour::Yellow),
        "suspect" => Some(Colour::Red),
        _ => None,
    }
}
