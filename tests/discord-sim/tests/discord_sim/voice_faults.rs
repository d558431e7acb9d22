//! What a voice client gets to feel: displacement, close codes, moves, loss.

use std::time::{Duration, Instant};

use crate::common::{
    Bot, CHANNEL, GUILD, confirmed_seconds, driver, heard_seconds, in_trusting_process,
    play_seconds, recorded, until,
};
use discord_sim::{
    ClosedBy, DiscordSim, DiscordSimConfig, Displacement, Fault, GuildId, RecordEntry, RecordEvent,
};

/// How a voice socket of this connection ended.
fn closed_with(entry: &RecordEntry, code: Option<u16>, by: ClosedBy) -> bool {
    matches!(&entry.event, RecordEvent::VoiceClosed { code: had, by: was, .. }
        if *had == code && *was == by)
}

fn voice_identifies(sim: &DiscordSim) -> Vec<Option<u16>> {
    sim.record()
        .into_iter()
        .filter_map(|entry| match entry.event {
            RecordEvent::VoiceIdentify { refused, .. } => Some(refused),
            _ => None,
        })
        .collect()
}

/// A second process with the same credentials takes over; the member hears it go on, encrypted
/// in a group that has the bot's new leaf.
fn take_over(test: &str, displacement: Displacement) {
    let config = DiscordSimConfig {
        displacement,
        ..DiscordSimConfig::default()
    };
    in_trusting_process(test, config, |sim| async move {
        let mut bot = Bot::login(&sim, sim.bot_token()).await;
        let credentials = bot.join(CHANNEL).await;
        let mut first = driver();
        first.connect(credentials.clone()).await.unwrap();
        play_seconds(&mut first, 0..60);
        until("first heard", || {
            (sim.heard(GUILD).totals().dave_encrypted > 10).then_some(())
        })
        .await;

        if displacement == Displacement::Reset {
            // A reset tells songbird to come back: by RESUME it would take the newer one's connection, by IDENTIFY its
            // place, and the newer one likewise, for ever.
            let (times, code) = (1000, 4006);
            let come_backs = [
                Fault::RefuseVoiceResume { times, code },
                Fault::RefuseVoiceIdentify {
                    times,
                    code,
                    after: 1,
                },
            ];
            for fault in &come_backs {
                sim.fault(fault).unwrap();
            }
        }
        let mut second = driver();
        second.connect(credentials).await.unwrap();
        let connections = sim.heard(GUILD).connections;
        let (older, newer) = (connections[0].info.ssrc, connections[1].info.ssrc);
        recorded(&sim, "displacement", |entry| {
            entry.event
                == RecordEvent::VoiceDisplaced {
                    guild: GUILD,
                    connection: u64::from(older),
                    by: u64::from(newer),
                    how: displacement,
                }
        })
        .await;
        recorded(&sim, "a new group", |entry| {
            matches!(&entry.event, RecordEvent::Dave { step, .. }
                if step.starts_with("executed transition 3"))
        })
        .await;
        play_seconds(&mut second, 200..204);
        confirmed_seconds(&sim, || sim.heard(GUILD).of_connection(newer), 200..204).await;
        let newest = sim.heard(GUILD).of_connection(newer).totals();
        assert_eq!(newest.undecryptable, 0);

        match displacement {
            Displacement::Close(code) => {
                recorded(&sim, "close", |entry| {
                    closed_with(entry, Some(code), ClosedBy::Sim)
                })
                .await;
            }
            Displacement::Reset => {
                recorded(&sim, "reset", |entry| {
                    closed_with(entry, None, ClosedBy::Sim)
                })
                .await;
            }
            Displacement::Silence => {
                // It does not know, goes on sending, and is not heard.
                let heard = sim.heard(GUILD).of_connection(older);
                assert!(heard.totals().refused > 20, "{:?}", heard.totals());
            }
            Displacement::Ignore => {
                let heard = sim.heard(GUILD).of_connection(older);
                let last = heard.packets().last().map(|packet| packet.at);
                let newest = sim.heard(GUILD).of_connection(newer).connections[0]
                    .info
                    .opened_at;
                assert!(last.unwrap() > newest, "both are heard");
            }
        }
        sim.shutdown().await;
    });
}

#[test]
fn displaced_with_4006() {
    take_over(
        "voice_faults::displaced_with_4006",
        Displacement::Close(4006),
    );
}

#[test]
fn displaced_with_4014() {
    take_over(
        "voice_faults::displaced_with_4014",
        Displacement::Close(4014),
    );
}

#[test]
fn displaced_by_reset() {
    take_over("voice_faults::displaced_by_reset", Displacement::Reset);
}

#[test]
fn displaced_in_silence() {
    take_over("voice_faults::displaced_in_silence", Displacement::Silence);
}

#[test]
fn displaced_not_at_all() {
    take_over("voice_faults::displaced_not_at_all", Displacement::Ignore);
}

/// After 4006 the old credentials are void, and a new op 4 brings good ones.
#[test]
fn void_credentials_are_refused_and_renewed_by_op4() {
    in_trusting_process(
        "voice_faults::void_credentials_are_refused_and_renewed_by_op4",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let credentials = bot.join(CHANNEL).await;
            let mut wrong = credentials.clone();
            wrong.token.push('x');
            driver().connect(wrong).await.unwrap_err();
            let mut first = driver();
            first.connect(credentials.clone()).await.unwrap();
            let close = Fault::CloseVoice {
                guild: GUILD,
                user: None,
                code: 4006,
            };
            assert_eq!(sim.fault(&close).unwrap(), 1);
            recorded(&sim, "close", |entry| {
                closed_with(entry, Some(4006), ClosedBy::Sim)
            })
            .await;
            drop(first);
            driver().connect(credentials).await.unwrap_err();
            let fresh = bot.join(CHANNEL).await;
            driver().connect(fresh).await.unwrap();
            let identifies = voice_identifies(&sim);
            assert!(identifies.contains(&Some(4004)), "{identifies:?}");
            assert!(identifies.contains(&Some(4006)), "{identifies:?}");
            assert_eq!(identifies.last(), Some(&None));
            sim.shutdown().await;
        },
    );
}

/// songbird resumes after 4015 by itself; its sound goes on, under the same SSRC.
#[test]
fn a_voice_session_is_resumed_after_4015() {
    in_trusting_process(
        "voice_faults::a_voice_session_is_resumed_after_4015",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            recorded(&sim, "dave executed", |entry| {
                matches!(&entry.event, RecordEvent::Dave { step, .. }
                    if step.starts_with("executed"))
            })
            .await;
            let begin = Instant::now();
            play_seconds(&mut driver, 300..304);
            let close = Fault::CloseVoice {
                guild: GUILD,
                user: None,
                code: 4015,
            };
            assert_eq!(sim.fault(&close).unwrap(), 1);
            let resume = recorded(&sim, "resume", |entry| {
                matches!(entry.event, RecordEvent::VoiceResume { .. })
            })
            .await;
            assert!(
                matches!(resume.event, RecordEvent::VoiceResume { refused: None, .. }),
                "{resume:?}"
            );
            heard_seconds(&sim, begin, 300..304).await;
            assert_eq!(sim.heard(GUILD).connections.len(), 1);
            sim.shutdown().await;
        },
    );
}

/// Kick, move and server move, as the bot's accounts see them.
#[test]
fn the_bot_is_moved_about() {
    in_trusting_process(
        "voice_faults::the_bot_is_moved_about",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut first = driver();
            first.connect(bot.join(CHANNEL).await).await.unwrap();
            let moved = Fault::Move {
                guild: GUILD,
                user: Some(sim.bot_user()),
                channel: 77.into(),
            };
            assert_eq!(sim.fault(&moved).unwrap(), 1);
            recorded(&sim, "4014", |entry| {
                closed_with(entry, Some(4014), ClosedBy::Sim)
            })
            .await;
            let there = bot.credentials().await;
            assert_eq!(there.channel_id.0.get(), 77);
            let mut second = driver();
            second.connect(there.clone()).await.unwrap();

            let server = Fault::MoveServer {
                guild: GUILD,
                user: None,
                listener: 1,
                close: Some(4014),
            };
            assert_eq!(sim.fault(&server).unwrap(), 1);
            let (endpoint, token) = bot.server().await;
            assert_eq!(endpoint, sim.voice_endpoints()[1].to_string());
            let mut moved = there;
            (moved.endpoint, moved.token) = (endpoint, token);
            let mut third = driver();
            third.connect(moved).await.unwrap();
            let begin = Instant::now();
            play_seconds(&mut third, 90..92);
            heard_seconds(&sim, begin, 90..92).await;

            let kick = Fault::Kick {
                guild: GUILD,
                user: None,
            };
            assert_eq!(sim.fault(&kick).unwrap(), 1);
            until("all connections ended", || {
                let heard = sim.heard(GUILD);
                let ended = heard.connections.iter().all(|one| one.closed_at.is_some());
                ended.then_some(())
            })
            .await;
            sim.shutdown().await;
        },
    );
}

#[test]
fn lost_packets_are_missing_and_counted() {
    in_trusting_process(
        "voice_faults::lost_packets_are_missing_and_counted",
        DiscordSimConfig {
            dave: false,
            ..DiscordSimConfig::default()
        },
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            let loss = |percent, guild| Fault::PacketLoss {
                percent,
                guild: Some(guild),
                seed: 5,
            };
            sim.fault(&loss(100.0, GuildId(999))).unwrap();
            play_seconds(&mut driver, 0..30);
            until("another guild's loss does no harm", || {
                (sim.heard(GUILD).totals().packets > 20).then_some(())
            })
            .await;
            sim.fault(&loss(30.0, GUILD)).unwrap();
            let totals = until("some are lost", || {
                let totals = sim.heard(GUILD).totals();
                (totals.lost > 20).then_some(totals)
            })
            .await;
            assert!(totals.packets > totals.lost, "{totals:?}");
            assert!(sim.fault(&loss(101.0, GUILD)).is_err());
            sim.shutdown().await;
        },
    );
}

/// The group is made anew under way (op 24): songbird follows with a new key package.
#[test]
fn a_group_is_made_anew() {
    in_trusting_process(
        "voice_faults::a_group_is_made_anew",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            let executed = |n: u16| {
                move |entry: &RecordEntry| {
                    matches!(&entry.event, RecordEvent::Dave { step, .. }
                        if *step == format!("executed transition {n}"))
                }
            };
            recorded(&sim, "first group", executed(1)).await;
            let recreate = Fault::RecreateGroup { guild: GUILD };
            assert_eq!(sim.fault(&recreate).unwrap(), 1);
            recorded(&sim, "second group", executed(2)).await;
            let begin = Instant::now();
            play_seconds(&mut driver, 3..6);
            heard_seconds(&sim, begin, 3..6).await;
            let clear = sim.heard_since(GUILD, begin);
            assert!(clear.packets().iter().all(|packet| !packet.in_the_clear));
            sim.shutdown().await;
        },
    );
}

/// Tests of other processes see all of it over HTTP.
#[test]
fn the_control_api_tells_what_was_heard() {
    in_trusting_process(
        "voice_faults::the_control_api_tells_what_was_heard",
        DiscordSimConfig::default(),
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            let begin = Instant::now();
            play_seconds(&mut driver, 512..515);
            heard_seconds(&sim, begin, 512..515).await;
            let get = async |path: &str| -> serde_json::Value {
                let answer = reqwest::get(format!("{}{path}", sim.api_url()))
                    .await
                    .unwrap();
                answer.json().await.unwrap()
            };
            let heard = get(&format!("/_sim/heard?guild={GUILD}&packets=true")).await;
            let seconds: Vec<u64> = heard["ears"]["seconds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["second"].as_u64().unwrap())
                .collect();
            assert_eq!(seconds, [512, 513, 514]);
            assert!(heard["ears"]["seconds"][0]["unix_ns"].is_u64());
            assert!(heard["totals"]["packets"].as_u64().unwrap() > 100);
            assert!(heard["connections"][0]["packets"][0]["sequence"].is_u64());
            let later = get(&format!(
                "/_sim/heard?guild={GUILD}&since_ms=99999999999999"
            ))
            .await;
            assert_eq!(later["ears"]["clicks"].as_array().unwrap().len(), 0);

            let record = get("/_sim/record").await;
            let text = record.to_string();
            assert!(text.contains("\"gateway_identify\"") && text.contains("\"voice_identify\""));
            assert!(
                !text.contains(sim.bot_token()),
                "the record gives a token away"
            );

            let fault = |body: serde_json::Value| {
                reqwest::Client::new()
                    .post(format!("{}/_sim/fault", sim.api_url()))
                    .json(&body)
                    .send()
            };
            let kick = serde_json::json!({"kind": "kick", "guild": GUILD});
            let answer = fault(kick).await.unwrap();
            let hits: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(hits["hits"], 1);
            let nonsense = serde_json::json!({"kind": "nonsense"});
            assert_eq!(fault(nonsense).await.unwrap().status(), 400);
            recorded(&sim, "4014", |entry| {
                closed_with(entry, Some(4014), ClosedBy::Sim)
            })
            .await;
            sim.shutdown().await;
        },
    );
}

/// Who beats as told is not closed for silence (`voice_protocol.rs` has the one that does not).
#[test]
fn songbird_keeps_its_connection_by_heartbeats() {
    in_trusting_process(
        "voice_faults::songbird_keeps_its_connection_by_heartbeats",
        DiscordSimConfig {
            voice_heartbeat_interval: Duration::from_millis(500),
            ..DiscordSimConfig::default()
        },
        |sim| async move {
            let mut bot = Bot::login(&sim, sim.bot_token()).await;
            let mut driver = driver();
            driver.connect(bot.join(CHANNEL).await).await.unwrap();
            let begin = Instant::now();
            play_seconds(&mut driver, 0..4);
            heard_seconds(&sim, begin, 0..4).await;
            assert!(
                !sim.record()
                    .iter()
                    .any(|entry| matches!(entry.event, RecordEvent::VoiceClosed { .. })),
            );
            sim.shutdown().await;
        },
    );
}
