//! Which party, which item: by what was given, by what there is, or by asking.

use std::io::{BufRead, IsTerminal, Write};

use crate::Error;
use crate::api::{Item, Items, Parties, Party};
use crate::client::Client;
use crate::output::text::printable;

/// So many are offered to choose from.
const CHOICES: u32 = 10;

/// The id of the party that is meant.
pub(crate) async fn party(client: &Client, wanted: Option<&str>) -> Result<String, Error> {
    let parties: Parties = client.get(&["parties"]).send().await?.read()?;
    let chosen = among(wanted, &parties.parties);
    if let (Err(Error::NoSuchParty { .. }), Some(id)) = (&chosen, wanted) {
        // One that has been over for long is no longer listed, but known.
        if client.get(&["parties", id]).send().await.is_ok() {
            return Ok(id.to_owned());
        }
    }
    chosen
}

/// The party with this very id, else the one that begins so; without a name the only one.
fn among(wanted: Option<&str>, parties: &[Party]) -> Result<String, Error> {
    let Some(wanted) = wanted else {
        return match parties {
            [] => Err(Error::NoParty),
            [only] => Ok(only.id.clone()),
            several => Err(Error::WhichParty {
                parties: several.iter().map(in_a_line).collect(),
            }),
        };
    };
    if parties.iter().any(|party| party.id == wanted) {
        return Ok(wanted.to_owned());
    }
    let matching: Vec<&Party> = parties
        .iter()
        .filter(|party| party.id.starts_with(wanted))
        .collect();
    match matching[..] {
        [] => Err(Error::NoSuchParty {
            wanted: wanted.to_owned(),
            parties: parties.iter().map(in_a_line).collect(),
        }),
        [only] => Ok(only.id.clone()),
        _ => Err(Error::WhichParty {
            parties: matching.into_iter().map(in_a_line).collect(),
        }),
    }
}

fn in_a_line(party: &Party) -> String {
    let what = party
        .title
        .as_deref()
        .or(party.current_title.as_deref())
        .unwrap_or_default();
    let line = format!("{}  {}  {what}", party.id, party.playback_state.name());
    printable(line.trim_end())
}

/// The item under this title: the only one found, or the one that whoever sits at the terminal chooses.
pub(crate) async fn item(client: &Client, text: &str) -> Result<Item, Error> {
    let call = client
        .get(&["library", "search"])
        .query("q", Some(text))
        .query("limit", Some(CHOICES));
    let mut found: Items = call.send().await?.read()?;
    match found.items.len() {
        0 => Err(Error::NothingFound {
            text: text.to_owned(),
        }),
        1 => Ok(found.items.remove(0)),
        _ if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() => ask(found.items),
        _ => Err(Error::WhichItem {
            text: text.to_owned(),
            items: found.items.iter().map(choice).collect(),
        }),
    }
}

fn choice(item: &Item) -> String {
    printable(&format!("{}  {}  {}", item.id, item.kind, item.label()))
}

/// On stderr, so that stdout has the answer alone.
fn ask(mut items: Vec<Item>) -> Result<Item, Error> {
    let mut stderr = std::io::stderr().lock();
    for (number, item) in items.iter().enumerate() {
        let line = printable(&format!("{}  ({})", item.label(), item.kind));
        writeln!(stderr, "{:3}  {line}", number + 1)?;
    }
    write!(stderr, "Which? [1-{}] ", items.len())?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let number: usize = line.trim().parse().map_err(|_| Error::NothingChosen)?;
    if !(1..=items.len()).contains(&number) {
        return Err(Error::NothingChosen);
    }
    Ok(items.swap_remove(number - 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parties(ids: &[&str]) -> Vec<Party> {
        let party = |id: &&str| Party {
            id: (*id).to_owned(),
            ..Party::default()
        };
        ids.iter().map(party).collect()
    }

    #[test]
    fn a_party_is_known_by_enough_of_its_id() {
        let three = parties(&["movie", "movie-night", "series"]);
        assert_eq!(among(Some("series"), &three).unwrap(), "series");
        assert_eq!(among(Some("s"), &three).unwrap(), "series");
        assert_eq!(among(Some("movie-"), &three).unwrap(), "movie-night");
        // One that is named in full is meant, though it is the beginning of another.
        assert_eq!(among(Some("movie"), &three).unwrap(), "movie");
        let error = among(Some("mo"), &three).unwrap_err();
        assert!(
            matches!(&error, Error::WhichParty { parties } if parties.len() == 2),
            "{error}"
        );
        let error = among(Some("x"), &three).unwrap_err();
        assert!(
            matches!(&error, Error::NoSuchParty { parties, .. } if parties.len() == 3),
            "{error}"
        );
    }

    #[test]
    fn the_only_party_need_not_be_named() {
        assert_eq!(among(None, &parties(&["one"])).unwrap(), "one");
        assert!(matches!(among(None, &[]), Err(Error::NoParty)));
        assert!(matches!(
            among(None, &parties(&["a", "b"])),
            Err(Error::WhichParty { .. })
        ));
    }
}
