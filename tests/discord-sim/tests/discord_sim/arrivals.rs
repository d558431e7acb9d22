//! What is left when arrivals alone are kept.

use crate::common::talker::{GCM, Talker};
use crate::common::{GUILD, until};
use discord_sim::{DiscordSim, DiscordSimConfig, HeardDetail};

#[tokio::test]
async fn arrivals_are_kept_without_sound() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = DiscordSimConfig {
        dave: false,
        heard_detail: HeardDetail::Arrivals,
        ..DiscordSimConfig::default()
    };
    let sim = DiscordSim::start(config).await.unwrap();
    let talker = Talker::join(&sim, 1, GCM).await;
    for sequence in 65_533..=u16::MAX {
        talker.say(sequence, b"some opus").await;
    }
    talker.say(0, &[0xf8, 0xff, 0xfe]).await;
    until("four packets", || {
        (sim.heard(GUILD).totals().packets == 4).then_some(())
    })
    .await;
    let heard = sim.heard(GUILD);
    let packets = heard.packets();
    let sequences: Vec<u16> = packets.iter().map(|one| one.sequence).collect();
    assert_eq!(sequences, [65_533, 65_534, 65_535, 0]);
    assert!(packets.is_sorted_by_key(|one| one.at));
    assert_eq!(packets[0].timestamp, 65_533 * 960);
    assert!(
        packets
            .iter()
            .all(|one| one.decrypted && one.opus.is_none())
    );
    assert!(packets[3].silence && !packets[0].silence);
    assert_eq!(heard.listen().unwrap_err().code(), "sound_not_kept");

    let url = format!("{}/_sim/heard?guild={GUILD}&packets=true", sim.api_url());
    let told: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(told["totals"]["packets"], 4);
    assert_eq!(told["connections"][0]["packets"][3]["sequence"], 0);
    assert!(told["ears"].is_null());
    sim.shutdown().await;
}
