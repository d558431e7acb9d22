//! Downgrade, upgrade, and groups made anew.

use super::*;
use crate::dave::members::IN_FLIGHT;

fn busy_room() -> Room {
    let mut room = Room::new(FirstCommit::Bot).of(&[100, 200]);
    room.join_member(1000);
    room.assert_heard();
    room
}

#[test]
fn a_call_is_downgraded_and_upgraded_again() {
    let mut room = busy_room();
    assert_eq!(room.group.version(), 1);
    room.apply(&DaveFault::Downgrade);
    assert_eq!(room.steps_with("downgrade announced"), 1);
    assert_eq!(room.steps.last().unwrap(), "downgraded");
    assert_eq!(room.group.version(), 0);
    let heard = room.hear();
    assert_eq!(heard.len(), 2);
    for one in heard {
        assert!(!one.dave && one.downgraded, "{one:?}");
        assert_eq!((one.members, one.decrypted_by), (2, 2));
    }

    room.apply(&DaveFault::Upgrade);
    assert_eq!(room.steps_with("upgraded"), 1);
    assert_eq!(room.group.version(), 1);
    assert!(room.hear()[0].downgraded, "what is on its way may be plain");
    room.now += IN_FLIGHT;
    room.assert_heard();
    assert_eq!(room.roster(100), [7, 100, 200, 1000]);
}

#[test]
fn while_downgraded_clients_and_members_come_and_go() {
    let mut room = busy_room();
    room.apply(&DaveFault::Downgrade);
    room.connect(Client::new(300, 300));
    room.leave(200);
    room.join_member(1001);
    room.leave_member(1000);
    assert!(room.client(300).session.group().is_none(), "no op 25 yet");
    assert!(room.hear().iter().all(|one| !one.dave && one.downgraded));
    room.apply(&DaveFault::Upgrade);
    room.now += IN_FLIGHT;
    room.assert_heard();
    assert_eq!(room.roster(300), [7, 100, 300, 1001]);
}

#[test]
fn an_upgrade_takes_all_clients_at_once_but_waits_for_none_for_long() {
    let mut room = busy_room();
    room.apply(&DaveFault::Downgrade);
    let effects = room.group.apply(&DaveFault::Upgrade, room.now).unwrap();
    room.hand_out(effects);
    let late = std::mem::take(&mut room.client(200).answers);
    room.deliver(Effects::default());
    assert_eq!(room.group.epoch(), 0, "one has sent no key package");
    room.pass(COMMIT_PATIENCE);
    assert_eq!(room.steps_with("upgraded"), 1);
    assert_eq!(room.roster(100), [7, 100, 1000]);
    room.client(200).answers = late;
    room.deliver(Effects::default());
    room.now += IN_FLIGHT;
    room.assert_heard();
}

#[test]
fn a_downgrade_takes_place_without_those_that_are_not_ready() {
    let mut room = busy_room();
    let effects = room.group.apply(&DaveFault::Downgrade, room.now).unwrap();
    room.hand_out(effects);
    room.client(200).answers.clear();
    room.deliver(Effects::default());
    assert_eq!(room.steps_with("downgraded"), 0);
    assert_eq!(room.group.version(), 0, "for those who come now");
    let refused = room.group.apply(&DaveFault::Upgrade, room.now);
    assert!(
        matches!(refused, Err(Error::Fault(_))),
        "not downgraded yet"
    );
    room.pass(TRANSITION_TIMEOUT);
    assert_eq!(room.steps_with("downgraded"), 1);
    let refused = room.group.apply(&DaveFault::Downgrade, room.now);
    assert!(
        matches!(refused, Err(Error::Fault(_))),
        "downgraded already"
    );
}

#[test]
fn packets_with_keys_from_before_the_downgrade_are_still_understood() {
    let mut room = busy_room();
    let frame = room.client(100).session.encrypt_opus(b"late").unwrap();
    let frame = frame.into_owned();
    room.apply(&DaveFault::Downgrade);
    let heard = room.group.hear(UserId(100), &frame, room.now);
    assert!(heard.dave);
    assert_eq!((heard.members, heard.decrypted_by), (2, 2));
}

#[test]
fn a_group_is_made_anew() {
    let mut room = busy_room();
    let effects = room.group.recreate(room.now).unwrap();
    room.deliver(effects);
    assert_eq!(room.steps_with("founded by"), 2);
    room.assert_heard();
    assert_eq!(room.roster(200), [7, 100, 200, 1000]);
}

#[test]
fn a_reset_by_transition_0_takes_the_old_keys_away_at_once() {
    let mut room = busy_room();
    let effects = room.group.apply(&DaveFault::Reset, room.now).unwrap();
    room.hand_out(effects);
    assert!(!room.client(100).session.can_encrypt());
    room.deliver(Effects::default());
    room.assert_heard();
}

#[test]
fn a_transition_with_id_0_is_executed_where_it_is_announced() {
    let mut room = busy_room();
    room.apply(&DaveFault::NextAtOnce);
    room.connect(Client::new(300, 300));
    assert_eq!(room.steps_with("executed transition 0"), 1);
    assert!(room.client(300).session.can_encrypt());
    room.assert_heard();
    room.leave(300);
    assert_eq!(
        room.steps_with("executed transition 0"),
        1,
        "only the next one"
    );
    room.assert_heard();
}
