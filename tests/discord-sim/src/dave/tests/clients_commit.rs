//! Groups in which the first commit of a client wins, not only at the founding.

use super::room::Answer;
use super::*;
use crate::voice_connections::VoiceOut;

fn room(users: &[u64]) -> Room {
    Room::with(FirstCommit::Bot, FirstCommit::Bot).of(users)
}

#[test]
fn clients_add_and_remove_each_other_and_members() {
    let mut room = room(&[100, 200, 300]);
    room.assert_heard();
    room.join_member(1000);
    room.assert_heard();
    room.leave(100);
    room.assert_heard();
    assert_eq!(room.roster(300), [7, 200, 300, 1000]);
    let by_clients = room.steps_with("committed by a client");
    assert_eq!(by_clients, 4, "{:?}", room.steps);
    assert_eq!(room.steps_with("committed: "), 0);
}

#[test]
fn the_listener_commits_when_no_client_does() {
    let mut room = room(&[100, 200]);
    room.begin_to_join_member(1000);
    for client in &mut room.clients {
        client.answers.clear();
    }
    let before = room.group.epoch();
    room.pass(COMMIT_PATIENCE / 2);
    assert_eq!(room.group.epoch(), before);
    room.pass(COMMIT_PATIENCE / 2);
    assert_eq!(room.steps_with("committed: 1 added"), 1);
    room.assert_heard();
}

#[test]
fn who_goes_before_a_commit_came_is_revoked() {
    let mut room = room(&[100, 200]);
    let before = room.group.epoch();
    room.begin_to_join_member(1000);
    let late = std::mem::take(&mut room.client(100).answers);
    let effects = room.group.leave_member(UserId(1000), room.now).unwrap();
    room.hand_out(effects);
    assert_eq!(room.steps_with("revoked: the proposal about 1000"), 1);
    for client in &mut room.clients {
        client.answers.clear();
    }
    // One that comes with the revoked proposal in it, after another was made.
    room.join_member(1001);
    assert_eq!(room.group.epoch(), before + 1);
    let [Answer::Commit(payload)] = late.as_slice() else {
        panic!("a commit, not {late:?}");
    };
    let effects = room.group.commit_welcome(100, payload, room.now).unwrap();
    room.hand_out(effects);
    assert_eq!(room.steps.last().unwrap(), "commit came too late");
    room.assert_heard();
    assert_eq!(room.roster(100), [7, 100, 200, 1001]);
}

#[test]
fn a_commit_that_leaves_a_proposal_out_is_refused() {
    let mut room = room(&[100]);
    room.begin_to_join_member(1000);
    let early = std::mem::take(&mut room.client(100).answers);
    room.begin_to_join_member(1001);
    room.client(100).answers.splice(0..0, early);
    room.deliver(Effects::default());
    assert_eq!(room.steps_with("it leaves out a proposal"), 1);
    assert_eq!(room.steps_with("committed by a client: 2 added"), 1);
    room.assert_heard();
}

#[test]
fn clients_that_come_together_found_one_group() {
    let mut room = Room::new(FirstCommit::Bot);
    let mut key_packages = Vec::new();
    for user in [100, 200, 300] {
        let mut client = Client::new(user, u64::from(user));
        let effects = room.group.connect(user, client.user).unwrap();
        client.take(&effects.out[0].1);
        client.take(&VoiceOut::Json(
            op::CLIENTS_CONNECT,
            serde_json::json!({"user_ids": ["100", "200", "300"]}),
        ));
        key_packages.push((user, client.key_package()));
        room.clients.push(client);
    }
    for (ssrc, key_package) in key_packages {
        let effects = room.group.key_package(ssrc, &key_package, room.now);
        room.hand_out(effects.unwrap());
    }
    room.deliver(Effects::default());
    assert_eq!(room.group.epoch(), 1, "{:?}", room.steps);
    room.assert_heard();
    assert_eq!(room.roster(200), [7, 100, 200, 300]);
}
