//! What a media file points to is not opened: ffmpeg sees the source that was checked and nothing else.

use std::time::Duration;

use orb_e2e::{Installation, Party, Setting, Surroundings, Title, descendants, entry, until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A server that answers every request with this body. It ends with the runtime.
async fn serving(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            // Whatever is asked for, and however little of it has come.
            let _ = connection.read(&mut request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = connection.write_all(head.as_bytes()).await;
            let _ = connection.write_all(body.as_bytes()).await;
        }
    });
    origin
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_playlist_points_to_is_not_opened() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inside = format!("http://{}", canary.local_addr().unwrap());
    let film = Title::Clock.file().await;
    let film = film.display();
    let playlists = [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{inside}/a.ts\n#EXT-X-ENDLIST\n"),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{film}\n#EXT-X-ENDLIST\n"),
        format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{inside}/b.m3u8\n"),
        format!("ffconcat version 1.0\nfile '{inside}/c.mkv'\n"),
        format!("ffconcat version 1.0\nfile 'file:{film}'\n"),
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT9S\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{inside}/d.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"
        ),
    ];
    let mut origins = Vec::new();
    for playlist in playlists {
        origins.push(serving(playlist).await);
    }
    let environment = surroundings
        .environment()
        .with("ORB_JELLYFIN__ALLOWED_ORIGINS", origins.join(","));
    let orb = Installation::up_with(surroundings, environment).await;
    let party = Party::create(&orb.api, 111).await;
    for (id, origin) in (1..).zip(&origins) {
        let mut body = entry(&orb.surroundings, id, Title::Clock);
        body["playback"]["streamUrl"] = json!(format!("{origin}/film.mkv"));
        body["playback"]["downloadUrl"] = json!(null);
        party.play(&body).await;
        let failed = party
            .becomes_so("an end of this entry", SOON, |status| {
                status.body["queueEntryId"] == id && status.text_of("playbackState") == "ended"
            })
            .await;
        println!("{id}: {}", failed.text_of("lastError"));
        assert_eq!(failed.text_of("endReason"), "failed", "{}", failed.text);
        assert!(!failed.text_of("lastError").contains(&inside));
    }
    let visit = tokio::time::timeout(Duration::from_millis(200), canary.accept()).await;
    assert!(visit.is_err(), "somebody opened what a playlist points to");
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_runs_with_a_white_list_of_protocols() {
    let surroundings = Surroundings::start(Setting::default()).await;
    let orb = Installation::up(surroundings).await;
    let party = Party::create(&orb.api, 111).await;
    let api = orb.api.clone();
    let (path, play) = (
        party.path("play"),
        entry(&orb.surroundings, 1, Title::Clock),
    );
    let call = tokio::spawn(async move { api.post(&path, &play).await });
    let line = until("an ffmpeg", SOON, async || {
        let children = descendants(orb.orb.pid());
        let ffmpeg = children.into_iter().find(|one| one.name == "ffmpeg")?;
        // Between fork and exec it has its parent's.
        ffmpeg
            .command_line
            .contains(" -i ")
            .then_some(ffmpeg.command_line)
    })
    .await;
    println!("{line}");
    let mut words = line
        .split(' ')
        .skip_while(|word| *word != "-protocol_whitelist");
    let list = words.nth(1).expect("there is a list");
    for bad in ["file", "concat", "data", "https", "subfile", "crypto"] {
        assert!(!list.split(',').any(|one| one == bad), "{list}");
    }
    let before_input = line.find("-protocol_whitelist") < line.find(" -i ");
    assert!(
        before_input,
        "options stand before the input that they are for"
    );
    call.await.unwrap();
}
