//! What becomes of a picture whose account, channel or stream is taken from it.

use std::time::{Duration, Instant};

use discord_sim::{Fault, GuildId, RecordEvent, StreamDeleteReason};
use orb_e2e::{Answer, Title, until};

use super::{GUILD, SOON, Stage, TWO_SECONDS, assert_unbroken};

/// The leader waits 5 s for Discord's word about a 4014.
const JUDGED_WITHIN: Duration = Duration::from_secs(40);

impl Stage {
    fn count(&self, since: Instant, wanted: impl Fn(&RecordEvent) -> bool) -> usize {
        let record = self.roles.surroundings.discord.record();
        let since = record.iter().filter(|entry| entry.at >= since);
        since.filter(|entry| wanted(&entry.event)).count()
    }

    fn fault(&self, fault: &Fault) {
        let hits = self.roles.surroundings.discord.fault(fault).unwrap();
        assert!(hits > 0, "{fault:?}");
    }

    /// Op 18s and 19s.
    fn streams_asked(&self, since: Instant) -> usize {
        self.count(since, |event| {
            matches!(event, RecordEvent::StreamRequest { op: 18 | 19, .. })
        })
    }
}

fn into_channel(event: &RecordEvent) -> bool {
    matches!(event, RecordEvent::VoiceIdentify { guild, stream: None, refused: None, .. } if guild.0 == GUILD)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channels_connection_is_lost_and_moved_and_nobody_sees_it() {
    let stage = Stage::playing(Title::Clock).await;
    let (guild, user) = (GuildId(GUILD), None);
    let begun = Instant::now();
    let faults = [
        Fault::CloseVoice {
            guild,
            user,
            code: 4006,
        },
        Fault::MoveServer {
            guild,
            user,
            listener: 1,
            close: None,
        },
    ];
    for fault in faults {
        let since = Instant::now();
        stage.eyes().sees(1, since, SOON).await;
        stage.fault(&fault);
        until(
            "the channel's connection again",
            JUDGED_WITHIN,
            async || (stage.count(since, into_channel) == 1).then_some(()),
        )
        .await;
        let pictures = stage.eyes().sees(2 * TWO_SECONDS, since, SOON).await;
        assert_unbroken(&pictures);
        let seen = stage.eyes().seen();
        println!(
            "measured: {fault:?}: longest gap so far {:?}",
            seen.longest_gap()
        );
    }
    stage.assert_in_step("after both").await;
    assert_unbroken(&stage.eyes().pictures(begun));
    assert_eq!(stage.streams_asked(begun), 0, "the stream is kept");
    stage.assert_nothing_in_the_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_is_made_anew_unless_somebody_ended_it_by_hand() {
    let stage = Stage::playing(Title::Clock).await;
    let end = |reason| Fault::EndStream {
        guild: GuildId(GUILD),
        user: None,
        reason,
    };
    let since = Instant::now();
    stage.eyes().sees(1, since, SOON).await;
    stage.fault(&end(StreamDeleteReason::StreamEnded));
    let begun = |event: &RecordEvent| matches!(event, RecordEvent::StreamBegun { .. });
    until("another stream", JUDGED_WITHIN, async || {
        (stage.count(since, begun) == 1).then_some(())
    })
    .await;
    let made = Instant::now();
    stage.eyes().sees(TWO_SECONDS, made, SOON).await;
    let gap = stage.eyes().seen().longest_gap();
    println!("measured: stream ended and made anew: picture {gap:?}");
    stage.assert_in_step("after another stream").await;

    let since = Instant::now();
    stage.fault(&end(StreamDeleteReason::UserRequested));
    // The film is opened anew, for sound alone.
    let plays_and_tells = |status: &Answer| {
        let told = status.body["lastError"]
            .to_string()
            .contains("live_ended_by_hand");
        told && status.text_of("playbackState") == "playing"
    };
    stage
        .party
        .becomes_so("the end told", JUDGED_WITHIN, plays_and_tells)
        .await;
    // The sound goes on, in the channel itself.
    stage.ears().seconds(Instant::now(), 2, SOON).await;
    assert_eq!(stage.count(since, begun), 0, "no other stream is made");
    stage.assert_nothing_in_the_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_lost_ends_its_party() {
    let stage = Stage::playing(Title::Clock).await;
    let since = Instant::now();
    stage.eyes().sees(1, since, SOON).await;
    // As after a ban: the connection breaks, and no other is let in.
    let discord = &stage.roles.surroundings.discord;
    discord
        .fault(&Fault::RefuseIdentify {
            times: 1000,
            close: Some(4004),
        })
        .unwrap();
    discord
        .fault(&Fault::InvalidSession {
            user: None,
            resumable: false,
        })
        .unwrap();
    let told = |status: &Answer| {
        status.body["lastError"]
            .to_string()
            .contains("disconnected")
    };
    let status = stage
        .party
        .becomes_so("the loss told", JUDGED_WITHIN, told)
        .await;
    assert_eq!(status.text_of("endReason"), "stopped", "{}", status.text);
    stage.streams_end().await;
    let ended = Instant::now() + Duration::from_secs(1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.eyes().count(ended), 0, "nothing is sent any more");
    stage.assert_nothing_in_the_clear();
}
