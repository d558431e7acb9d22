//! Encryption as the member sees it: DAVE on and off, both transport encryptions.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, Fault, FirstCommit, GuildId, Heard, TransportMode};
use orb_e2e::{Installation, Party, Setting, Surroundings, Title};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Plays a film under these conditions, and gives what was heard until four seconds were.
async fn heard_with(discord: DiscordSimConfig) -> (Installation, Party, Heard) {
    heard_over("orb", discord).await
}

async fn heard_over(driver: &str, discord: DiscordSimConfig) -> (Installation, Party, Heard) {
    let setting = Setting {
        discord,
        ..Setting::default()
    };
    let surroundings = Surroundings::start(setting).await;
    let environment = surroundings.environment().with("ORB_VOICE_DRIVER", driver);
    let orb = Installation::up_with(surroundings, environment).await;
    let party = Party::create(&orb.api, GUILD).await;
    let started = Instant::now();
    party.play_title(&orb.surroundings, Title::Clock).await;
    let ears = party.ears(&orb.surroundings.discord);
    let report = ears.seconds(started, 4, SOON).await;
    assert_eq!(report.undecodable, 0);
    let heard = orb.surroundings.discord.heard(GUILD);
    println!("{:?}", heard.totals());
    assert_eq!(heard.totals().undecryptable, 0);
    (orb, party, heard)
}

/// Nothing of the film in the clear, and no packet that only the server could read.
#[track_caller]
fn assert_end_to_end(heard: &Heard) {
    let totals = heard.totals();
    assert!(heard.connections.iter().all(|one| one.info.dave));
    assert!(totals.dave_encrypted >= 150, "{totals:?}");
    assert_eq!(totals.in_the_clear, 0, "{totals:?}");
    assert_eq!(totals.dave_encrypted + totals.silence, totals.packets);
}

async fn with_transport(mode: TransportMode) {
    for dave in [true, false] {
        println!("{mode:?}, dave {dave}");
        let (_orb, _party, heard) = heard_with(DiscordSimConfig {
            dave,
            modes: vec![mode],
            ..DiscordSimConfig::default()
        })
        .await;
        if dave {
            assert_end_to_end(&heard);
        } else {
            assert!(heard.connections.iter().all(|one| !one.info.dave));
            assert_eq!(heard.totals().dave_encrypted, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_aes256_gcm() {
    with_transport(TransportMode::Aes256GcmRtpSize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_xchacha20_poly1305() {
    with_transport(TransportMode::XChaCha20Poly1305RtpSize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_member_makes_the_first_commit() {
    let (_orb, _party, heard) = heard_with(DiscordSimConfig {
        first_commit: FirstCommit::Member,
        ..DiscordSimConfig::default()
    })
    .await;
    assert_end_to_end(&heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_group_is_made_anew() {
    let (orb, party, _) = heard_with(DiscordSimConfig::default()).await;
    let discord = &orb.surroundings.discord;
    let again = Instant::now();
    let anew = Fault::RecreateGroup {
        guild: GuildId(GUILD),
    };
    assert_eq!(discord.fault(&anew).unwrap(), 1);
    let ears = party.ears(discord);
    ears.seconds(again, 5, SOON).await;
    let (from, to) = ears.longest_hole(again);
    println!("longest hole {} ms", (to - from).as_millis());
    let heard = discord.heard(GUILD);
    println!("{:?}", heard.totals());
    // From the announcement of the new group until it is complete there is no key for it: the driver goes on with the
    // old group's, or sends nothing.
    let totals = heard.totals();
    assert_end_to_end(&heard);
    assert_eq!(totals.undecryptable, 0, "{totals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_songbird_when_that_is_chosen() {
    let (_orb, _party, heard) = heard_over("songbird", DiscordSimConfig::default()).await;
    assert_end_to_end(&heard);
}
