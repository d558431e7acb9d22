//! Messages that clients must refuse, and survive.

use std::time::Duration;

use super::room::Answer;
use super::*;

fn spoil(user: Option<u64>, how: Spoil) -> DaveFault {
    let user = user.map(UserId);
    DaveFault::SpoilNext { user, how }
}

#[test]
fn who_cannot_follow_is_removed_and_added_again() {
    for how in [Spoil::Bytes, Spoil::Epoch] {
        let mut room = Room::new(FirstCommit::Bot).of(&[100, 200]);
        room.apply(&spoil(Some(200), how));
        room.join_member(1000);
        assert_eq!(room.steps_with("spoiled op 29 for 200"), 1);
        assert_eq!(room.steps_with("invalid commit or welcome"), 1);
        assert_eq!(room.steps_with("committed: 0 added, 1 removed"), 1);
        room.assert_heard();
        assert_eq!(room.roster(100), [7, 100, 200, 1000]);
    }
}

#[test]
fn an_invalid_welcome_leads_to_another() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100]);
    room.apply(&spoil(None, Spoil::Bytes));
    room.apply(&spoil(Some(300), Spoil::Bytes));
    room = room.of(&[200]);
    // The first spoiled message went to the one that was in the group.
    assert_eq!(room.steps_with("spoiled op 29 for 100"), 1);
    room = room.of(&[300]);
    assert_eq!(room.steps_with("spoiled op 30 for 300"), 1);
    assert_eq!(room.steps_with("invalid commit or welcome"), 2);
    room.assert_heard();
}

#[test]
fn the_only_client_cannot_follow_its_founding() {
    for first_commit in [FirstCommit::Bot, FirstCommit::Member] {
        let mut room = Room::new(first_commit);
        room.apply(&spoil(None, Spoil::Bytes));
        room = room.of(&[100]);
        assert_eq!(room.steps_with("invalid commit or welcome"), 1);
        assert_eq!(room.steps_with("founded by"), 2);
        room.assert_heard();
    }
}

#[test]
fn a_stranger_is_refused_and_revoked() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100, 200]);
    let before = room.group.epoch();
    room.apply(&DaveFault::ProposeStranger);
    room.pass(Duration::from_millis(500));
    assert_eq!(room.steps_with("stranger revoked"), 1);
    assert_eq!(room.steps_with("adds a stranger"), 0);
    assert_eq!(room.group.epoch(), before);
    room.join_member(1000);
    room.assert_heard();
}

#[test]
fn who_falls_for_a_stranger_is_named_and_not_obeyed() {
    for later_commits in [FirstCommit::Member, FirstCommit::Bot] {
        let mut room = Room::with(FirstCommit::Bot, later_commits).of(&[100, 200]);
        room.client(200).gullible = true;
        room.apply(&DaveFault::ProposeStranger);
        assert_eq!(room.steps_with("commit refused: 200 adds a stranger"), 1);
        room.join_member(1000);
        room.pass(Duration::from_millis(500));
        room.assert_heard();
        assert_eq!(room.roster(200), [7, 100, 200, 1000]);
    }
}

#[test]
fn a_proposal_is_revoked_at_once() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100, 200]);
    let before = room.group.epoch();
    room.apply(&DaveFault::ProposeAndRevoke);
    assert_eq!(room.group.epoch(), before);
    for client in &mut room.clients {
        let group = client.session.group().unwrap();
        assert!(group.pending_commit().is_none(), "nothing is left of it");
    }
    room.join_member(1000);
    room.assert_heard();
}

#[test]
fn a_stray_commit_is_answered_with_op_31() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100, 200]);
    let effects = room.group.apply(&DaveFault::StrayCommit, room.now).unwrap();
    room.hand_out(effects);
    for client in &room.clients {
        assert!(matches!(client.answers[0], Answer::Invalid));
    }
    room.deliver(Effects::default());
    room.assert_heard();
}

#[test]
fn the_execution_of_an_unknown_transition_changes_nothing() {
    let mut room = Room::new(FirstCommit::Bot).of(&[100]);
    room.apply(&DaveFault::StrayExecute);
    let not_prepared = std::mem::take(&mut room.client(100).not_prepared);
    assert_eq!(not_prepared.len(), 1);
    room.assert_heard();
}

#[test]
fn faults_that_need_a_group_say_so() {
    let mut room = Room::new(FirstCommit::Bot);
    for fault in [
        DaveFault::ProposeStranger,
        DaveFault::ProposeAndRevoke,
        DaveFault::StrayCommit,
    ] {
        let refused = room.group.apply(&fault, room.now);
        assert!(matches!(refused, Err(Error::Fault(_))), "{fault:?}");
    }
}

#[test]
fn faults_are_read_as_documented() {
    let fault =
        r#"{"kind": "dave", "guild": "1", "do": "spoil_next", "user": "5", "how": "epoch"}"#;
    let fault: crate::Fault = serde_json::from_str(fault).unwrap();
    let what = spoil(Some(5), Spoil::Epoch);
    let guild = crate::GuildId(1);
    assert_eq!(fault, crate::Fault::Dave { guild, what });
    let fault = r#"{"kind": "dave", "guild": 1, "do": "join_member"}"#;
    let fault: crate::Fault = serde_json::from_str(fault).unwrap();
    let what = DaveFault::JoinMember { user: None };
    assert_eq!(fault, crate::Fault::Dave { guild, what });
}
