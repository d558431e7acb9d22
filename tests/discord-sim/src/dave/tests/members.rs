//! Simulated members that come and go beside the listener.

use super::*;
use crate::dave::members::{IN_FLIGHT, MOST_MEMBERS};

#[test]
fn members_come_and_go_while_clients_speak() {
    for first_commit in [FirstCommit::Bot, FirstCommit::Member] {
        let mut room = Room::new(first_commit).of(&[100]);
        room.assert_heard();
        room.join_member(1000);
        room.join_member(1001);
        room.assert_heard();
        assert_eq!(room.roster(100), [7, 100, 1000, 1001]);
        room.connect(Client::new(200, 200));
        room.assert_heard();
        room.leave_member(1000);
        room.assert_heard();
        assert_eq!(room.roster(200), [7, 100, 200, 1001]);
        // With other people about the group goes on though no client is there.
        room.leave(100);
        room.leave(200);
        assert!(room.group.epoch() > 0);
        room.connect(Client::new(300, 300));
        room.assert_heard();
        room.leave_member(1001);
        room.leave(300);
        assert_eq!(room.group.epoch(), 0, "only the listener is left");
    }
}

#[test]
fn three_clients_and_members_join_and_leave_one_by_one() {
    let mut room = Room::new(FirstCommit::Bot);
    for user in [100, 200, 300] {
        room.connect(Client::new(user as u32, user));
        room.assert_heard();
        room.join_member(user + 1000);
        room.assert_heard();
    }
    for user in [200, 100, 300] {
        room.leave_member(user + 1000);
        room.leave(user as u32);
        room.assert_heard();
    }
    room.connect(Client::new(200, 200));
    room.assert_heard();
    assert_eq!(room.roster(200), [7, 200]);
}

#[test]
fn a_member_may_be_there_before_the_first_client() {
    let mut room = Room::new(FirstCommit::Bot);
    room.join_member(1000);
    assert_eq!(room.group.epoch(), 1);
    room = room.of(&[100, 200]);
    room.assert_heard();
}

#[test]
fn a_joiner_is_expected_to_hear_only_after_its_transition() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100]);
    room.assert_heard();
    room.begin_to_join_member(1000);
    room.client(100).answers.clear(); // it is not ready
    room.now += IN_FLIGHT;
    let before = room.hear().remove(0);
    assert_eq!((before.members, before.decrypted_by), (1, 1));

    room.pass(TRANSITION_TIMEOUT);
    let on_the_way = room.hear().remove(0);
    assert_eq!((on_the_way.members, on_the_way.decrypted_by), (1, 1));
    room.now += IN_FLIGHT;
    let after = room.hear().remove(0);
    assert_eq!((after.members, after.decrypted_by), (2, 2));
}

#[test]
fn who_still_speaks_with_old_keys_is_heard_by_some_only() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100]);
    // The client does what it should but for op 22, which it ignores.
    room.begin_to_join_member(1000);
    let effects = room.group.overdue(room.now + TRANSITION_TIMEOUT).unwrap();
    assert!(!effects.out.is_empty());
    room.now += TRANSITION_TIMEOUT + IN_FLIGHT;
    let heard = room.hear().remove(0);
    assert_eq!((heard.members, heard.decrypted_by), (2, 1));
    assert!(heard.opus.is_some(), "the listener has the old keys");
}

#[test]
fn there_is_room_for_a_bounded_number_of_members() {
    let mut room = Room::new(FirstCommit::Member).of(&[100]);
    for n in 0..MOST_MEMBERS as u64 {
        room.join_member(1000 + n);
    }
    room.assert_heard();
    let refused = room.group.join_member(UserId(5000), room.now);
    assert!(matches!(refused, Err(Error::Fault(_))));
    let twice = room.group.join_member(UserId(1000), room.now);
    assert!(matches!(twice, Err(Error::Fault(_))));
}

/// What a change of the group costs the simulator; printed, for it depends on the machine.
#[test]
fn the_cost_of_a_change_is_told() {
    for further in [0, 4, MOST_MEMBERS as u64] {
        let mut room = Room::new(FirstCommit::Member).of(&[100]);
        for n in 0..further {
            room.join_member(1000 + n);
        }
        let begin = std::time::Instant::now();
        let mut client = Client::new(200, 200);
        let effects = room.group.connect(200, UserId(200)).unwrap();
        client.take(&effects.out[0].1);
        let key_package = client.key_package();
        let made = begin.elapsed();
        let begin = std::time::Instant::now();
        room.group.key_package(200, &key_package, room.now).unwrap();
        let added = begin.elapsed();
        let frame = room.client(100).session.encrypt_opus(b"packet").unwrap();
        let frame = frame.into_owned();
        let begin = std::time::Instant::now();
        room.group.hear(UserId(100), &frame, room.now);
        let heard = begin.elapsed();
        println!(
            "{further} members beside the listener: to add a client {added:?} \
             (its own key package: {made:?}), to hear a packet {heard:?}"
        );
    }
}
