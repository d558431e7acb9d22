//! What the server was told of the pictures (voice op 12).

use crate::{PictureFormat, packet::VideoSsrcs, wire::Video};

/// Of one session: a new one has been told nothing.
pub(super) struct Announcer {
    audio_ssrc: u32,
    pictures: VideoSsrcs,
    told: Option<PictureFormat>,
}

impl Announcer {
    pub(super) fn new(audio_ssrc: u32, pictures: VideoSsrcs) -> Self {
        Self {
            audio_ssrc,
            pictures,
            told: None,
        }
    }

    /// What to tell, if it is news.
    pub(super) fn news(&mut self, format: Option<PictureFormat>) -> Option<Video> {
        if format == self.told {
            return None;
        }
        self.told = format;
        Some(Video {
            audio_ssrc: self.audio_ssrc,
            pictures: self.pictures,
            format,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_is_told() {
        let format = PictureFormat {
            width: 1280,
            height: 720,
            frame_rate: 24.0,
            bits_per_second: 2_500_000,
        };
        let smaller = PictureFormat {
            width: 640,
            height: 360,
            ..format
        };
        let mut announcer = Announcer::new(1, VideoSsrcs { ssrc: 2, rtx: 3 });
        let told = [None, Some(format), Some(format), Some(smaller), None, None]
            .map(|format| announcer.news(format).map(|video| video.format));
        let expected = [
            None,
            Some(Some(format)),
            None,
            Some(Some(smaller)),
            Some(None),
            None,
        ];
        assert_eq!(told, expected);
    }
}
