//! The key is in the header and nowhere else.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use orb_jellyfin::client::{ImageRequest, ItemQuery, PlaybackReport};
use tracing_subscriber::fmt::MakeWriter;

use crate::fake::{Fake, KEY, Reply, movie};

/// All that is logged, down to the HTTP library's own.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_key_shows_in_no_log_no_error_and_no_debug() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing::Level::TRACE)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let mut shown = String::new();
    let fake = Fake::jellyfin(|request, _| match request.path() {
        "/Items/a1" => movie("a1"),
        "/Items/a2" => Reply::Text(500, "X: y", ""),
        "/Items/a3" => Reply::Text(302, "Location: http://elsewhere.example/?ApiKey=x", ""),
        "/Items/a4" => Reply::Raw(b"not http".to_vec()),
        _ => Reply::Text(401, "X: y", ""),
    })
    .await;
    let client = fake.client();
    write!(shown, "{client:?} {:?}", fake.config()).unwrap();
    for id in ["a1", "a2", "a3", "a4", "a5"] {
        write!(shown, "{:?}", client.item(id).await).unwrap();
    }
    for error in [
        client.items(&ItemQuery::search("x")).await.unwrap_err(),
        client
            .image("a5", &ImageRequest::default())
            .await
            .unwrap_err(),
        client
            .report_start(&PlaybackReport {
                party: "p".into(),
                item_id: "a5".into(),
                source_id: None,
                play_session_id: None,
                position_ms: 0,
                runtime_ms: None,
                paused: false,
            })
            .await
            .unwrap_err(),
    ] {
        write!(shown, "{error} {error:?} {}", error.code()).unwrap();
    }
    drop(fake);
    write!(shown, "{:?}", client.version().await).unwrap();

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("jellyfin is asked again"),
        "the log is heard"
    );
    assert!(!logged.contains(KEY), "{logged}");
    assert!(!shown.contains(KEY), "{shown}");
    assert!(
        !shown.contains("ApiKey=x"),
        "a redirect's query is not shown: {shown}"
    );
}
