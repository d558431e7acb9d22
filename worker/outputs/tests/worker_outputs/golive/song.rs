//! What has no picture follows a film that had one.

use super::cinema::{Cinema, GUILD, SONG};

/// What Discord was told last: whether there are pictures.
fn is_announced(cinema: &Cinema) -> Option<bool> {
    let seen = cinema.discord.seen(GUILD);
    let announced = (seen.connections.iter()).flat_map(|connection| &connection.announced);
    announced.last().map(|announced| announced.active)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_picture_ends_that_of_the_film_before_and_is_heard() {
    let mut cinema = Cinema::of(1).await;
    cinema.join().await;
    let film = cinema.open(1, 0);
    cinema.voice.play(film, false);
    cinema.plays_to(2_000).await;
    assert_eq!(is_announced(&cinema), Some(true));

    let song = cinema.open(SONG, 0);
    cinema.voice.play(song, false);
    cinema.plays_to(2_000).await;
    cinema
        .until("it is said that there is no picture", || {
            is_announced(&cinema) == Some(false)
        })
        .await;
    let snapshot = cinema.voice.snapshot();
    assert!(
        snapshot.playing && snapshot.picture.is_none(),
        "{snapshot:?}"
    );

    let film = cinema.open(1, 5_000);
    cinema.voice.play(film, false);
    cinema.plays_to(7_000).await;
    assert_eq!(is_announced(&cinema), Some(true), "before its pictures");
    let totals = cinema.discord.seen(GUILD).totals();
    assert_eq!(totals.pictures, totals.decodable, "{totals:?}");
    assert_eq!((totals.unannounced, totals.in_the_clear), (0, 0));
    assert_eq!(cinema.identifies(), (1, 1), "one stream for all of it");
}
