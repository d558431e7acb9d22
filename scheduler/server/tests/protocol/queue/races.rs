//! Two at once on one queue: clients who edit it, and a caller who skips while its worker goes on.

use std::time::Duration;

use orb_proto::v1;
use orb_proto::v1::control_request::Action;
use orb_proto::v1::edit_queue_request::Edit;
use tokio::task::JoinSet;

use super::{add, control, edit, item, party, queue, request, send, shown, start};
use crate::installation::{API, Scheduler, Surroundings, playing, with_token};
use crate::reason;

#[tokio::test]
async fn of_two_who_edit_at_once_neither_undoes_what_the_other_did() {
    const EACH: usize = 15;
    let surroundings = Surroundings::new().await;
    let scheduler = std::sync::Arc::new(surroundings.scheduler().await);
    party(&scheduler).await;
    edit(&scheduler, add(&["first"])).await;
    let mut clients = JoinSet::new();
    for client in ["a", "b"] {
        let scheduler = std::sync::Arc::clone(&scheduler);
        clients.spawn(async move {
            let mut refused = 0;
            for number in 0..EACH {
                let name = format!("{client}{number}");
                // An order that it has not seen is not added to: it looks again.
                loop {
                    let add = Edit::Add(v1::Add {
                        items: vec![item(&name)],
                        next: true,
                    });
                    let asked = v1::EditQueueRequest {
                        if_version: queue(&scheduler).await.version,
                        ..request(add)
                    };
                    match send(&scheduler, asked).await {
                        Ok(_) => break,
                        Err(status) => {
                            assert_eq!(reason(&status), "queue_changed");
                            refused += 1;
                        }
                    }
                }
            }
            refused
        });
    }
    let refused: usize = clients.join_all().await.into_iter().sum();
    let queue = queue(&scheduler).await;
    assert_eq!(queue.entries.len(), 2 * EACH + 1, "{refused} refused");
    for client in ["a", "b"] {
        let titles = shown(&queue).into_iter().map(|(title, _)| title);
        let own: Vec<_> = titles.filter(|title| title.starts_with(client)).collect();
        let newest_first: Vec<_> = (0..EACH).rev().map(|n| format!("{client}{n}")).collect();
        assert_eq!(own, newest_first);
    }
}

#[tokio::test]
async fn a_skip_that_meets_an_advance_skips_one_entry_and_not_two() {
    for skips_first in [true, false] {
        let surroundings = Surroundings::new().await;
        let scheduler = surroundings.scheduler().await;
        let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
        party(&scheduler).await;
        edit(&scheduler, add(&["A", "B", "C"])).await;
        let lease = start(&scheduler, &mut worker).await;
        let mut advanced = playing(&lease, 40);
        let next = lease.desired.as_ref().unwrap().next.as_ref().unwrap();
        advanced.entry_id = next.entry_id;
        advanced.advanced_from_entry_id = 1;
        advanced.queue_entry_id = 0;
        let skip = Action::Skip(v1::Skip { entry_id: 1 });
        let skipping = async {
            if !skips_first {
                until_plays(&scheduler, 2).await;
            }
            control(&scheduler, skip).await.unwrap()
        };
        let advancing = async {
            if skips_first {
                until_plays(&scheduler, 2).await;
            }
            worker.report(advanced).await;
            let lease = worker
                .lease_where(|desired| {
                    desired
                        .current
                        .as_ref()
                        .is_some_and(|item| item.title == "B")
                })
                .await;
            worker.report(playing(&lease, 60)).await;
        };
        let (skipped, ()) = tokio::join!(skipping, advancing);
        assert_eq!(skipped.session.unwrap().entry_id, 2);
        let queue = queue(&scheduler).await;
        let first = if skips_first {
            v1::QueueStatus::Skipped
        } else {
            v1::QueueStatus::Played
        };
        let expected = [
            ("A", first),
            ("B", v1::QueueStatus::Playing),
            ("C", v1::QueueStatus::Queued),
        ];
        assert_eq!(shown(&queue), expected, "skips first: {skips_first}");
        scheduler.stop().await;
    }
}

/// Until callers see that entry as the one that plays.
async fn until_plays(scheduler: &Scheduler, entry_id: u64) {
    let waiting = async {
        loop {
            let request = v1::GetRequest {
                session_id: "s".to_owned(),
            };
            let answer = scheduler.sessions().get(with_token(API, request)).await;
            if answer.unwrap().into_inner().session.unwrap().entry_id == entry_id {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    in_time.expect("it plays");
}
