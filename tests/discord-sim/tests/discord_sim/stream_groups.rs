//! DAVE of a stream's call: a group of its own, and what goes wrong in it.

use std::time::Instant;

use discord_sim::{DaveFault, DiscordSim, Fault, Media, RecordEvent, Spoil};

use crate::common::h264::Pictures;
use crate::common::streamer::Streamer;
use crate::common::{GUILD, until};
use crate::pictures::{seen, start};

fn dave(sim: &DiscordSim, what: DaveFault) -> usize {
    sim.fault(&Fault::Dave { guild: GUILD, what }).unwrap()
}

#[tokio::test]
async fn members_of_a_stream_come_and_go_in_its_own_group() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    // The voice channel's call is there as well.
    assert_eq!(dave(&sim, DaveFault::JoinMember { user: None }), 2);
    streamer.follow_commit().await;
    let begin = Instant::now();
    streamer.show(&Pictures::new().idr(500));
    streamer.say(b"some opus");
    seen(&sim, 1).await;
    until("sound", || {
        let heard = sim.heard_since(GUILD, begin);
        (heard.totals().packets == 1).then_some(())
    })
    .await;
    assert_eq!(sim.heard(GUILD).totals().undecryptable, 0);
    let unannounced = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::MediaUnannounced {
                media: Media::Picture,
                ..
            }
        )
    };
    assert!(!sim.record().iter().any(|entry| unannounced(&entry.event)));
    sim.shutdown().await;
}

#[tokio::test]
async fn a_group_is_made_anew_downgraded_and_upgraded() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(500));
    seen(&sim, 1).await;
    // The voice channel has no group: nobody is connected there.
    assert_eq!(
        sim.fault(&Fault::RecreateGroup { guild: GUILD }).unwrap(),
        1
    );
    streamer.rejoin_group().await;
    streamer.show(&pictures.next(500));
    seen(&sim, 2).await;
    assert_eq!(dave(&sim, DaveFault::Downgrade), 1);
    streamer.downgrade().await;
    streamer.show_plain(&pictures.next(500));
    seen(&sim, 3).await;
    let totals = sim.seen(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.in_the_clear_downgraded),
        (1, 1)
    );
    assert_eq!(dave(&sim, DaveFault::Upgrade), 1);
    streamer.rejoin_group().await;
    streamer.show(&pictures.next(500));
    seen(&sim, 4).await;
    let totals = sim.seen(GUILD).totals();
    assert_eq!((totals.undecryptable, totals.in_the_clear), (0, 1));
    sim.shutdown().await;
}

#[tokio::test]
async fn who_gets_an_invalid_commit_comes_back() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(500));
    let spoil = DaveFault::SpoilNext {
        user: None,
        how: Spoil::Bytes,
    };
    assert_eq!(dave(&sim, spoil), 1);
    dave(&sim, DaveFault::JoinMember { user: None });
    streamer.refuse_commit().await;
    streamer.show(&pictures.next(500));
    seen(&sim, 2).await;
    assert_eq!(sim.seen(GUILD).totals().undecryptable, 0);
    sim.shutdown().await;
}
