//! The Jellyfin library.

use crate::Error;
use crate::api::{Item, Items};
use crate::arguments::{LibraryCommand, Page};
use crate::client::{Answer, Call, Client};
use crate::media_time::clock;
use crate::output::text::printable;
use crate::output::{Align, Colour, Output, Style, Table};

pub(super) async fn run(
    command: LibraryCommand,
    client: &Client,
    output: &Output,
) -> Result<(), Error> {
    match command {
        LibraryCommand::Search { text, kinds, page } => {
            let text = text.join(" ");
            let kinds = (!kinds.is_empty()).then(|| kinds.join(","));
            let call = client
                .get(&["library", "search"])
                .query("q", Some(text))
                .query("kinds", kinds);
            list(&paged(call, &page).send().await?, &page, output)
        }
        LibraryCommand::Children { item, page } => {
            let call = client.get(&["library", "items", &item, "children"]);
            list(&paged(call, &page).send().await?, &page, output)
        }
        LibraryCommand::Show { item } => {
            let answer = client.get(&["library", "items", &item]).send().await?;
            output.show(&answer, |style| Ok(in_full(&answer.read()?, style)))
        }
    }
}

fn paged<'a>(call: Call<'a>, page: &Page) -> Call<'a> {
    call.query("start", page.start).query("limit", page.limit)
}

fn list(answer: &Answer, page: &Page, output: &Output) -> Result<(), Error> {
    output.show(answer, |style| {
        let found: Items = answer.read()?;
        if found.items.is_empty() {
            return Ok("nothing found".to_owned());
        }
        let shown = u64::from(page.start.unwrap_or(0)) + found.items.len() as u64;
        let mut text = table(&found.items).render(style);
        if found.total > shown {
            text = format!("{text}\n{shown} of {}; more: --start {shown}", found.total);
        }
        Ok(text)
    })
}

fn table(items: &[Item]) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("KIND", Align::Left),
        ("TITLE", Align::Left),
        ("YEAR", Align::Right),
        ("LENGTH", Align::Right),
    ]);
    for item in items {
        let label = Item {
            year: None,
            ..item.clone()
        }
        .label();
        table.row(vec![
            (item.id.clone(), Some(Colour::Dim)),
            (item.kind.clone(), None),
            (label, None),
            (
                item.year.map(|year| year.to_string()).unwrap_or_default(),
                None,
            ),
            (length(item), None),
        ]);
    }
    table
}

fn in_full(item: &Item, style: Style) -> String {
    let fields = [
        ("id", item.id.clone()),
        ("kind", item.kind.clone()),
        ("title", item.label()),
        ("length", length(item)),
        ("genres", item.genres.join(", ")),
        ("about", item.summary.clone().unwrap_or_default()),
    ];
    let lines = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let name = style.paint(Colour::Dim, &format!("{name:<8}"));
            format!("{name} {}", printable(value))
        });
    lines.collect::<Vec<_>>().join("\n")
}

fn length(item: &Item) -> String {
    item.duration_seconds
        .map(|seconds| clock(seconds * 1000))
        .unwrap_or_default()
}
