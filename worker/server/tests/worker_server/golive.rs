//! The picture into the channel, turned on and off while a film plays.

use orb_proto::v1;

use super::party::Party;

/// More than any film here costs.
const ROOM: u32 = 1_000;

fn position_ms(observed: &v1::ObservedState) -> i64 {
    observed.position.map_or(0, |position| position.media_ms)
}

fn has_done(observed: &v1::ObservedState, generation: u64) -> bool {
    let done = observed.fence.map(|fence| fence.generation);
    done == Some(generation) && observed.playback_state() == v1::PlaybackState::Playing
}

#[tokio::test(flavor = "multi_thread")]
async fn turned_on_and_off_under_way_the_film_goes_on_where_it_is() {
    let mut party = Party::of(&[60, 20], ROOM).await;
    party.plays(1, 2).await;
    let plain = party
        .until("it is under way", |one| position_ms(one) > 2_000)
        .await;
    assert_eq!(plain.picture, None);
    assert_eq!(party.seen().pictures, 0);

    let live = party.goes_live().await;
    let shown = party
        .until("it is shown", |one| {
            has_done(one, live)
                && one.voice_revision == 2
                && one.worker_status() == v1::WorkerStatus::Connected
                && one
                    .picture
                    .as_ref()
                    .is_some_and(|picture| picture.pictures_sent > 48)
        })
        .await;
    assert!(position_ms(&shown) > position_ms(&plain));
    let picture = shown.picture.unwrap();
    assert_eq!((picture.width, picture.height), (320, 180));
    assert!(picture.kbits_per_second > 0 && picture.rung_changes == 0);
    assert!(
        shown
            .known_plan
            .is_some_and(|plan| plan.cost_millicores > 0)
    );
    let seen = party.seen();
    assert!(seen.decodable > 0 && seen.in_the_clear == 0, "{seen:?}");

    let held = party.pauses(true).await;
    party
        .until("it is held", |one| {
            one.fence.map(|fence| fence.generation) == Some(held)
        })
        .await;
    party.pauses(false).await;
    let sought = party.seeks(30_000).await;
    let there = party
        .until("it is there", |one| {
            has_done(one, sought) && position_ms(one) > 31_000
        })
        .await;
    let before = party.seen();
    assert!(before.decodable > seen.decodable);
    assert_eq!(before.undecryptable, 0, "{before:?}");

    let dark = party.goes_dark().await;
    let plain = party
        .until("it is heard in the channel", |one| {
            has_done(one, dark) && position_ms(one) > position_ms(&there) + 1_000
        })
        .await;
    assert_eq!(plain.picture, None);
    let after = party.seen().pictures;
    party
        .until("it goes on", |one| {
            position_ms(one) > position_ms(&plain) + 1_000
        })
        .await;
    assert_eq!(party.seen().pictures, after);
    party.strike().await;
}

fn sent(observed: &v1::ObservedState) -> u64 {
    observed.picture.map_or(0, |picture| picture.pictures_sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_film_is_opened_with_its_picture_and_counted_anew() {
    let mut party = Party::of(&[8, 20], ROOM).await;
    party.plays(1, 2).await;
    party.goes_live().await;
    party.until("it is shown", |one| sent(one) > 24).await;
    let advanced = party.until_plays(2).await;
    assert_eq!(advanced.advanced_from_entry_id, 1);
    party.plays(2, 0).await;
    let second = party
        .until("it is shown", |one| {
            one.entry_id == 2 && position_ms(one) > 3_000 && sent(one) > 24
        })
        .await;
    let shown = sent(&second) as i64 * 1_000 / 24;
    assert!(shown <= position_ms(&second) + 200, "of the second alone");
    let seen = party.seen();
    assert_eq!((seen.undecryptable, seen.broken), (0, 0), "{seen:?}");
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_down_gets_another_encoder() {
    let mut party = Party::of(&[60], ROOM).await;
    party.plays(1, 0).await;
    party.goes_live().await;
    let rate = |one: &v1::ObservedState| one.picture.map_or(0, |picture| picture.kbits_per_second);
    let cost = |one: &v1::ObservedState| {
        let plan = one.known_plan.as_ref();
        plan.map_or(0, |plan| plan.cost_millicores)
    };
    // A machine that is busy with other tests is a narrow line itself, so this is the film before anything was sent.
    let copied = party.until("it is looked at", |one| rate(one) > 0).await;
    party.until("it is shown", |one| sent(one) > 48).await;
    party.line_takes(u64::from(rate(&copied)) * 600);
    let changed = |one: &v1::ObservedState| one.picture.is_some_and(|one| one.rung_changes > 0);
    let after = party
        .until("another encoder's pictures are sent", changed)
        .await;
    assert!(rate(&after) < rate(&copied), "{after:?}");
    party
        .until("a copy became a transcode, and goes on", |one| {
            cost(one) > cost(&copied) && one.playback_state() == v1::PlaybackState::Playing
        })
        .await;
    party.strike().await;
}

/// Pictures sent over the next three seconds of the film.
async fn sent_in_3_s(party: &mut Party) -> u64 {
    let began = party.until("it plays", |one| sent(one) > 0).await;
    let until = position_ms(&began) + 3_000;
    let after = party
        .until("it goes on", |one| position_ms(one) >= until)
        .await;
    sent(&after) - sent(&began)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_an_encoder_key_frames_are_sent_until_the_line_bears_the_film() {
    // A copy of such a film costs 45 with its sending, the smallest transcode 70.
    let mut party = Party::of(&[120], 60).await;
    party.plays(1, 0).await;
    party.goes_live().await;
    let copied = party
        .until("it is looked at", |one| {
            one.picture.is_some_and(|one| one.kbits_per_second > 0)
        })
        .await;
    let kbits = copied.picture.unwrap().kbits_per_second;
    party.until("it is shown", |one| sent(one) > 48).await;
    party.line_takes(u64::from(kbits) * 600);
    // 72 are in the film; of a narrow line some are late.
    while sent_in_3_s(&mut party).await > 20 {}
    party.line_takes(u64::from(kbits) * 20_000);
    while sent_in_3_s(&mut party).await < 60 {}
    let after = party.until("it goes on", |one| sent(one) > 0).await;
    let cost = |one: &v1::ObservedState| one.known_plan.as_ref().map(|plan| plan.cost_millicores);
    assert_eq!(after.picture.unwrap().rung_changes, 0, "{after:?}");
    assert_eq!((cost(&copied), cost(&after)), (Some(45), Some(45)));
    party.strike().await;
}
