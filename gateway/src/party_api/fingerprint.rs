//! What a caller asked, as a hash: a retry asks the same, whatever the library answers by then.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Of a request whose items are looked up. `asked` is everything that tells it from another one.
pub(super) fn fingerprint(asked: &Value) -> Vec<u8> {
    Sha256::digest(asked.to_string()).to_vec()
}

/// The id of a party whose creator gave it none: the same for the same command, so that a retry finds it.
pub(super) fn party_id(command_id: &str) -> String {
    let digest = Sha256::digest(format!("orb party id v1 {command_id}"));
    format!("p-{digest:.20x}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tell_one_request_from_another() {
        let asked = json!({"itemIds": ["a"], "next": false});
        assert_eq!(fingerprint(&asked), fingerprint(&asked.clone()));
        assert_ne!(
            fingerprint(&asked),
            fingerprint(&json!({"itemIds": ["b"], "next": false}))
        );
        assert_eq!(fingerprint(&asked).len(), 32);
        assert_eq!(party_id("k"), party_id("k"));
        assert_ne!(party_id("k"), party_id("l"));
        assert_eq!(party_id("k").len(), 22);
    }
}
