//! Item and user ids. Jellyfin's are GUIDs; it writes them as 32 hex digits and reads them with dashes
//! and capitals too.

/// The nil GUID, which counts as no id at all.
const NIL: &str = "00000000000000000000000000000000";

/// Where the dashes of a GUID stand.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The form in which ids are compared: lower case, a GUID without its dashes. Empty for the nil GUID.
pub(crate) fn key(id: &str) -> String {
    let mut key = id.to_ascii_lowercase();
    if key.len() == 36 && DASHES.iter().all(|&at| key.as_bytes()[at] == b'-') {
        key.retain(|c| c != '-');
    }
    if key == NIL {
        key.clear();
    }
    key
}

/// An id made from a name: the same one each time, and another for every other name (FNV-1a, 128 bits).
pub(crate) fn derived(name: &str) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_and_case_do_not_count() {
        let dashed = "F137A2DD-21BB-C1B9-9AA5-C0F6BF02A805";
        assert_eq!(key(dashed), "f137a2dd21bbc1b99aa5c0f6bf02a805");
        assert_eq!(key("Not-A-Guid"), "not-a-guid");
        assert_eq!(key("00000000-0000-0000-0000-000000000000"), "");
    }

    #[test]
    fn derived_ids_are_guids_and_differ() {
        // The published test value of FNV-1a with 128 bits.
        assert_eq!(derived("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_ne!(derived("show/1/2"), derived("show/12"));
    }
}
