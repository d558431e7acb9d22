//! Titles of the made-up films: the same for the same number, different for different ones.

const FIRST: [&str; 40] = [
    "Amber",
    "Broken",
    "Crimson",
    "Distant",
    "Eternal",
    "Forgotten",
    "Golden",
    "Hidden",
    "Icy",
    "Jagged",
    "Kindred",
    "Lonely",
    "Midnight",
    "Northern",
    "Obsidian",
    "Pale",
    "Quiet",
    "Restless",
    "Silver",
    "Tangled",
    "Unseen",
    "Velvet",
    "Wandering",
    "Young",
    "Zealous",
    "Árbol",
    "Blaue",
    "Café",
    "Dúnedain",
    "Élan",
    "Frozen",
    "Grave",
    "Hollow",
    "Infinite",
    "Jade",
    "Last",
    "Marble",
    "Noble",
    "Open",
    "Perfect",
];
const SECOND: [&str; 50] = [
    "Anchor",
    "Bridge",
    "Canyon",
    "Dawn",
    "Echo",
    "Forest",
    "Garden",
    "Harbour",
    "Island",
    "Journey",
    "Kingdom",
    "Lantern",
    "Mirror",
    "Night",
    "Ocean",
    "Passage",
    "Quarry",
    "River",
    "Shadow",
    "Tower",
    "Umbrella",
    "Valley",
    "Winter",
    "Year",
    "Zenith",
    "Archive",
    "Beacon",
    "Cathedral",
    "Desert",
    "Engine",
    "Fortress",
    "Glacier",
    "Horizon",
    "Inheritance",
    "Jungle",
    "Key",
    "Labyrinth",
    "Machine",
    "Nocturne",
    "Orchard",
    "Promise",
    "Question",
    "Road",
    "Storm",
    "Theatre",
    "Union",
    "Voyage",
    "Witness",
    "Yard",
    "Zoo",
];
const PLACE: [&str; 10] = [
    "",
    " of Avalon",
    " in Berlin",
    " at Sea",
    " of the Dead",
    " and Beyond",
    " in Winter",
    " of São Paulo",
    " Forever",
    " Returns",
];

/// The title of film `index`.
pub(super) fn title(index: u32) -> String {
    let at = index as usize;
    let (first, second) = (FIRST[at % 40], SECOND[at / 40 % 50]);
    let place = PLACE[at / 2_000 % 10];
    // After 20,000 they begin again as sequels.
    match at / 20_000 {
        0 => format!("{first} {second}{place}"),
        sequel => format!("{first} {second}{place} {}", sequel + 1),
    }
}

/// The year of film `index`: 1950 to 2024.
pub(super) fn year(index: u32) -> u16 {
    1950 + (index * 7 % 75) as u16
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_title_comes_twice() {
        let titles: HashSet<String> = (0..45_000).map(title).collect();
        assert_eq!(titles.len(), 45_000);
    }
}
