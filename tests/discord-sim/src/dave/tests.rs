//! Who founds the group, and how clients come into it and leave it.
#![allow(clippy::unwrap_used)]

mod clients_commit;
mod members;
mod mischief;
mod room;
mod versions;

use room::{Client, Room};

use super::commits::COMMIT_PATIENCE;
use super::transitions::TRANSITION_TIMEOUT;
use super::*;

#[test]
fn the_first_bot_founds_the_group_or_the_member_does() {
    for (first_commit, step) in [
        (FirstCommit::Bot, "founded by the bot"),
        (FirstCommit::Member, "founded by the member"),
    ] {
        let mut room = Room::new(first_commit);
        room.connect(Client::new(1, 100));
        assert!(room.steps.iter().any(|one| one == step), "{:?}", room.steps);
        room.assert_heard();
    }
}

#[test]
fn the_member_founds_the_group_when_the_bot_is_late() {
    let mut room = Room::new(FirstCommit::Bot);
    let mut client = Client::new(1, 100);
    let effects = room.group.connect(1, client.user).unwrap();
    client.take(&effects.out[0].1);
    let key_package = client.key_package();
    room.group.key_package(1, &key_package, room.now).unwrap();
    let early = room.group.overdue(room.now).unwrap();
    assert!(early.out.is_empty());
    room.clients.push(client);
    let late = room.group.overdue(room.now + COMMIT_PATIENCE).unwrap();
    room.deliver(late);
    assert_eq!(room.steps[0], "founded by the member");
    room.assert_heard();
}

#[test]
fn others_are_added_and_removed_by_the_members_commits() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.connect(Client::new(2, 200));
    room.connect(Client::new(3, 300));
    room.assert_heard();
    assert_eq!(room.group.epoch(), 3);
    room.leave(2);
    room.assert_heard();
    assert_eq!(room.roster(1), [7, 100, 300]);
    let late = room.steps_with("commit came too late");
    assert!(late >= 2, "clients commit as well, and lose");
}

#[test]
fn a_user_who_comes_back_gets_a_new_leaf_in_place_of_the_old_one() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.connect(Client::new(2, 200));
    // The same user on another connection: the older one leaves as the newer one identifies.
    room.leave(2);
    room.connect(Client::new(3, 200));
    room.assert_heard();
    let steps = room.steps.join("\n");
    assert!(steps.contains("committed: 0 added, 1 removed"), "{steps}");
    assert!(steps.contains("committed: 1 added, 0 removed"), "{steps}");
}

#[test]
fn the_group_is_reset_when_only_the_member_is_left() {
    let mut room = Room::new(FirstCommit::Bot);
    room.connect(Client::new(1, 100));
    room.leave(1);
    assert_eq!(room.group.epoch(), 0);
    room.connect(Client::new(2, 100));
    assert_eq!(room.group.epoch(), 1);
    room.assert_heard();
}

#[test]
fn a_bot_that_leaves_while_it_could_found_the_group_takes_nothing_along() {
    let mut room = Room::new(FirstCommit::Bot);
    let mut gone = Client::new(1, 100);
    let effects = room.group.connect(1, gone.user).unwrap();
    gone.take(&effects.out[0].1);
    let key_package = gone.key_package();
    room.group.key_package(1, &key_package, room.now).unwrap();
    room.leave(1);
    room.connect(Client::new(2, 200));
    room.assert_heard();
}

#[test]
fn a_key_package_of_somebody_else_is_refused() {
    let mut room = Room::new(FirstCommit::Bot);
    let effects = room.group.connect(1, UserId(100)).unwrap();
    let mut liar = Client::new(1, 200);
    liar.take(&effects.out[0].1);
    let key_package = liar.key_package();
    let refused = room.group.key_package(1, &key_package, room.now);
    assert!(matches!(refused, Err(Error::Dave(_))));
    assert!(room.group.key_package(1, b"nonsense", room.now).is_err());
}

#[test]
fn a_transition_is_executed_after_its_time_even_if_somebody_is_not_ready() {
    let mut room = Room::new(FirstCommit::Member);
    let mut client = Client::new(1, 100);
    let effects = room.group.connect(1, client.user).unwrap();
    client.take(&effects.out[0].1);
    let key_package = client.key_package();
    let effects = room.group.key_package(1, &key_package, room.now).unwrap();
    for (_, out) in &effects.out {
        client.take(out);
    }
    client.answers.clear(); // never says that it is ready
    room.clients.push(client);
    assert!(room.group.overdue(room.now).unwrap().out.is_empty());
    let overdue = room.group.overdue(room.now + TRANSITION_TIMEOUT).unwrap();
    room.deliver(overdue);
    room.assert_heard();
}
