//! What a session costs its worker, in thousandths of a core: the unit of every placement.
//!
//! The worker knows the plan of a title (copy about 20, a software transcode to 720p about 650, more
//! with subtitles burnt in) and reports its cost once the probe is done; until then the media type
//! has to do.

use crate::Item;

/// A session in which nothing plays: a voice connection that is kept alive.
pub const IDLE: u32 = 5;

/// Sound alone, before its probe: it is decoded and encoded at most.
pub const UNPROBED_AUDIO: u32 = 20;

/// A picture, before its probe. About one title in five has to be transcoded (650), the others are
/// copied (20): a burst of starts is spread by what it costs on average, and the worker that finds
/// out that it cannot hold one gives it back.
pub const UNPROBED_VIDEO: u32 = 150;

/// The same where it goes into the channel: as long as nobody has looked at it, it may have to be transcoded, and a rate
/// that the line asks for makes a transcode of every copy.
pub const UNPROBED_LIVE: u32 = 650;

/// What the session needs: by the worker's own word when there is one, else by the media type.
pub(crate) fn need(item: Option<&Item>, known: Option<u32>, go_live: bool) -> u32 {
    match (item, known) {
        (None, _) => IDLE,
        (Some(_), Some(known)) => known.max(IDLE),
        (Some(item), None) => unprobed(&item.media_type, go_live),
    }
}

fn unprobed(media_type: &str, go_live: bool) -> u32 {
    let sound = ["audio", "music", "song", "track", "album", "audiobook"];
    if sound
        .iter()
        .any(|kind| media_type.eq_ignore_ascii_case(kind))
    {
        UNPROBED_AUDIO
    } else if go_live {
        UNPROBED_LIVE
    } else {
        UNPROBED_VIDEO
    }
}
