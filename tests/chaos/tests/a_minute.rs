//! A minute of faults, as part of all tests. `make chaos DURATION=… SEED=…` is for more.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use orb_chaos::run::{Plan, run};

/// With at least one fault of most kinds; see `orb-chaos --seed 5 --duration 60 --schedule`.
const SEED: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_faults() {
    let plan = Plan {
        seed: SEED,
        duration: Duration::from_mins(1),
        parties: 4,
        at_once: 2,
        forgetful: false,
    };
    let outcome = run(plan).await.unwrap();
    println!("{}", outcome.counts);
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
}
