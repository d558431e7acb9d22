#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const PACKET: &[u8] = &[0xfc, 1, 2, 3, 4, 5, 6, 7];

fn negotiated() -> Dave {
    let mut dave = Dave::new(1, 2, OnDowngrade::Hold);
    let answers = dave.begin(1);
    assert!(matches!(answers[..], [ClientMessage::KeyPackage(_)]));
    dave
}

fn sealed(dave: &mut Dave, packet: &[u8]) -> (Sealed, Vec<u8>) {
    let mut out = vec![9; 3];
    (dave.seal_opus(packet, &mut out), out)
}

#[test]
fn a_call_without_dave_is_sent_as_it_is() {
    let mut dave = Dave::new(1, 2, OnDowngrade::Hold);
    assert!(dave.begin(0).is_empty());
    assert!(dave.may_send());
    assert_eq!(sealed(&mut dave, PACKET), (Sealed::Ready, PACKET.to_vec()));
    assert_eq!(dave.open_opus(7, PACKET).as_deref(), Some(PACKET));
}

#[test]
fn negotiated_but_not_ready_sends_silence_alone() {
    let mut dave = negotiated();
    assert!(!dave.may_send());
    assert_eq!(sealed(&mut dave, PACKET), (Sealed::NoKey, Vec::new()));
    let silence = (Sealed::Ready, OPUS_SILENCE.to_vec());
    assert_eq!(sealed(&mut dave, &OPUS_SILENCE), silence);
    assert_eq!(dave.open_opus(7, PACKET), None);
}

#[test]
fn a_downgrade_holds_frames_unless_told_to_follow() {
    for (on_downgrade, may_send) in [(OnDowngrade::Hold, false), (OnDowngrade::Follow, true)] {
        let mut dave = Dave::new(1, 2, on_downgrade);
        dave.begin(1);
        let prepare = DaveMessage::PrepareTransition {
            transition: 3,
            version: 0,
        };
        let ready = vec![ClientMessage::TransitionReady { transition: 3 }];
        assert_eq!(dave.handle(prepare), ready);
        assert!(!dave.may_send(), "not before it is executed");
        dave.handle(DaveMessage::ExecuteTransition { transition: 3 });
        assert_eq!(dave.may_send(), may_send);
        let upgrade = DaveMessage::PrepareEpoch {
            version: 1,
            epoch: 1,
        };
        assert!(matches!(
            dave.handle(upgrade)[..],
            [ClientMessage::KeyPackage(_)]
        ));
    }
}

/// Found by fuzzing: a session description without DAVE, after one with it.
#[test]
fn a_call_that_had_dave_hears_nothing_in_the_clear() {
    for (on_downgrade, heard) in [
        (OnDowngrade::Hold, None),
        (OnDowngrade::Follow, Some(PACKET)),
    ] {
        let mut dave = Dave::new(1, 2, on_downgrade);
        dave.begin(1);
        dave.begin(0);
        assert_eq!(dave.open_opus(7, PACKET).as_deref(), heard);
    }
}

/// Found by fuzzing: a transition to DAVE in a call that began without it, and no group for it. Frames were taken from
/// the film, and then there was no key for them.
#[test]
fn a_version_in_force_without_a_group_has_no_key() {
    for (on_downgrade, after_downgrade) in [(OnDowngrade::Hold, false), (OnDowngrade::Follow, true)]
    {
        let mut dave = Dave::new(1, 2, on_downgrade);
        dave.begin(0);
        let mut transition = |version| {
            let transition = version + 1;
            dave.handle(DaveMessage::PrepareTransition {
                transition,
                version,
            });
            dave.handle(DaveMessage::ExecuteTransition { transition });
            let (sealed, _) = sealed(&mut dave, PACKET);
            assert_eq!(dave.may_send(), sealed == Sealed::Ready);
            (dave.may_send(), dave.open_opus(7, PACKET).is_some())
        };
        assert_eq!(transition(1), (false, false));
        assert_eq!(transition(0), (after_downgrade, after_downgrade));
    }
}

#[test]
fn an_unknown_transition_changes_nothing() {
    let mut dave = negotiated();
    dave.handle(DaveMessage::ExecuteTransition { transition: 9 });
    assert_eq!(sealed(&mut dave, PACKET).0, Sealed::NoKey);
}

#[test]
fn transition_zero_is_executed_without_asking() {
    let mut dave = negotiated();
    let downgrade = DaveMessage::PrepareTransition {
        transition: 0,
        version: 0,
    };
    assert!(dave.handle(downgrade).is_empty());
    assert!(!dave.may_send(), "and holds");
}

#[test]
fn a_commit_that_is_none_is_answered_with_op_31_and_a_new_key_package() {
    let mut dave = negotiated();
    let answers = dave.handle(DaveMessage::Welcome {
        transition: 4,
        welcome: vec![1, 2, 3],
    });
    assert!(matches!(
        answers[..],
        [
            ClientMessage::InvalidCommitWelcome { transition: 4 },
            ClientMessage::KeyPackage(_)
        ]
    ));
    assert_eq!(dave.invalid_commits(), 1);
    assert!(!dave.may_send());
}

#[test]
fn what_a_server_announces_is_bounded() {
    let mut dave = negotiated();
    for transition in 1..1000 {
        dave.handle(DaveMessage::PrepareTransition {
            transition,
            version: 1,
        });
    }
    dave.joined(&(0..50_000).collect::<Vec<_>>());
    assert!(dave.prepared.len() <= MOST_TRANSITIONS && dave.members.len() <= MOST_MEMBERS);
}

/// Found by fuzzing's server: 1,200 proposals without a commit took half a minute (development build).
#[test]
fn what_a_server_proposes_is_bounded_and_a_new_group_has_room_again() {
    let mut dave = negotiated();
    let most = vec![0; MOST_PROPOSED];
    assert!(dave.has_room_for(&most));
    assert!(!dave.has_room_for(&[0]));
    dave.handle(DaveMessage::PrepareEpoch {
        version: 1,
        epoch: 1,
    });
    assert!(dave.has_room_for(&most));
    assert!(!dave.has_room_for(&[0]));
    dave.follow(1);
    assert!(dave.has_room_for(&most));
}

/// The most that this process ever had in memory, in bytes.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

/// Found by fuzzing: MLS makes room for as many bytes as a length says before it looks whether they are there. Zeroes
/// that nobody touches are no memory yet; this holds it to that.
#[test]
fn a_length_that_lies_takes_no_memory() {
    const A_GIBIBYTE: [u8; 4] = [0xbf, 0xff, 0xff, 0xff];
    let mut dave = negotiated();
    // A key of 65 bytes, and a name.
    let sender = [[0x40, 65].as_slice(), &[4; 65], &[0, 1, 1, b's']].concat();
    dave.handle(DaveMessage::ExternalSender(sender));
    let session = dave.session.as_ref().unwrap();
    assert!(session.group().is_some(), "without one, nothing is read");
    // A public message for group 2 and epoch 0 from outside: adds a key package, whose first key is said to be long.
    let mut message = vec![0, 1, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 2];
    message.extend([0; 8]);
    message.extend([2, 0, 0, 0, 0, 0, 2, 0, 1, 0, 1, 0, 2]);
    message.extend(A_GIBIBYTE);
    let payload = [&[message.len() as u8], message.as_slice()].concat();
    let before = most_memory();
    let change = ProposalChange::Append;
    let answers = dave.handle(DaveMessage::Proposals { change, payload });
    assert!(answers.is_empty());
    assert!(most_memory() - before < 64 << 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_of_a_server_let_a_frame_out_in_the_clear(
        messages in proptest::collection::vec((0_u8..7, any::<u16>(), any::<Vec<u8>>()), 0..8)
    ) {
        let mut dave = negotiated();
        for (kind, number, bytes) in messages {
            dave.handle(match kind {
                0 => DaveMessage::PrepareTransition { transition: number, version: number % 3 },
                1 => DaveMessage::ExecuteTransition { transition: number },
                2 => DaveMessage::PrepareEpoch { version: number % 3, epoch: u64::from(number % 2) },
                3 => DaveMessage::ExternalSender(bytes),
                4 => DaveMessage::Proposals { change: ProposalChange::Append, payload: bytes },
                5 => DaveMessage::AnnounceCommit { transition: number, commit: bytes },
                _ => DaveMessage::Welcome { transition: number, welcome: bytes },
            });
            prop_assert_eq!(sealed(&mut dave, PACKET).0, Sealed::NoKey);
        }
    }
}
