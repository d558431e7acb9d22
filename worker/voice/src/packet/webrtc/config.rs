//! What str0m is told: codecs, extensions, intervals.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use str0m::{
    Rtc, RtcConfig,
    bwe::Bitrate,
    config::CryptoProvider,
    format::{Codec, FormatParams},
    media::Frequency,
    rtp::Extension,
};

use super::sdp;
use crate::packet::{PacketError, WebRtcLayer};

/// How often the line is looked at.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// How often a sender report goes out. Receivers put sound and picture in step by them, so the first seconds of a film
/// need them; 5 s, which is usual for sound, is long.
const SENDER_REPORTS: Duration = Duration::from_secs(1);

/// How often the path is checked by STUN, and the first wait for an answer. The answers say the round trip time.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_CHECK_AGAIN: Duration = Duration::from_millis(100);

/// After so many checks without an answer the path is lost: some five seconds.
const CHECKS: usize = 8;

/// Baseline, level 3.1, as all WebRTC offers say; what is sent may be more, and receivers decode it.
const H264_PROFILE: u32 = 0x42_e01f;

/// SSRCs of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoSsrcs {
    /// Of its packets.
    pub ssrc: u32,
    /// Of those that are sent again.
    pub rtx: u32,
}

/// What a [`WebRtcLayer`] needs to know. The SSRCs are READY's (op 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebRtcConfig {
    /// Of the sound.
    pub audio_ssrc: u32,
    /// Of the picture; `None` where none will be sent.
    pub video: Option<VideoSsrcs>,
    /// The socket's own address, as it is after `connect`.
    pub local: SocketAddr,
    /// What the line is taken to carry until it is known, in bits a second: what the first pictures and the sound need.
    /// Packets are paced by it.
    pub first_estimate: u64,
}

impl WebRtcConfig {
    /// Enough for 720p, and little enough for most lines.
    pub const FIRST_ESTIMATE: u64 = 3_000_000;

    /// Whether packets can be told apart, and sent.
    pub(super) fn check(&self) -> Result<(), PacketError> {
        if !sdp::can_be_a_host(self.local) {
            return Err(PacketError::BadAddress);
        }
        let mut ssrcs = vec![self.audio_ssrc];
        ssrcs.extend(self.video.iter().flat_map(|video| [video.ssrc, video.rtx]));
        ssrcs.sort_unstable();
        let told_apart = ssrcs.windows(2).all(|pair| pair[0] != pair[1]);
        // 0 is that of probes, in libwebrtc and in str0m.
        if told_apart && ssrcs[0] != 0 {
            Ok(())
        } else {
            Err(PacketError::Malformed("ssrcs"))
        }
    }

    /// Where the estimate begins, in bits a second.
    pub(super) fn first_estimate(&self) -> u64 {
        self.first_estimate.max(WebRtcLayer::LEAST_ESTIMATE)
    }

    /// A connection that has not begun.
    pub(super) fn build(&self, now: Instant) -> Rtc {
        let first = Bitrate::bps(self.first_estimate());
        let mut config = RtcConfig::new()
            .set_crypto_provider(Arc::clone(&CRYPTO))
            .clear_codecs()
            .clear_extension_map()
            .set_extension(sdp::ABS_SEND_TIME, Extension::AbsoluteSendTime)
            .set_extension(sdp::TRANSPORT_CC, Extension::TransportSequenceNumber)
            .enable_bwe(Some(first))
            .set_stats_interval(Some(REPORT_INTERVAL))
            .set_rtcp_report_interval_audio(SENDER_REPORTS)
            .set_rtcp_report_interval_video(SENDER_REPORTS)
            // Costs a copy of each packet. It is the one way to what receivers say of arrival times.
            .enable_raw_packets(true);
        config.set_initial_stun_rto(FIRST_CHECK_AGAIN);
        config.set_max_stun_rto(CHECK_INTERVAL);
        config.set_max_stun_retransmits(CHECKS);
        let opus = FormatParams {
            min_p_time: Some(10),
            use_inband_fec: Some(true),
            ..FormatParams::default()
        };
        let codecs = config.codec_config();
        codecs.add_config(
            sdp::OPUS.into(),
            None,
            Codec::Opus,
            Frequency::FORTY_EIGHT_KHZ,
            Some(2),
            opus,
        );
        if self.video.is_some() {
            codecs.add_h264(
                sdp::H264.into(),
                Some(sdp::H264_RTX.into()),
                true,
                H264_PROFILE,
            );
            config = config.set_extension(sdp::PLAYOUT_DELAY, Extension::PlayoutDelay);
        }
        config.build(now)
    }
}

/// Given to each connection by hand: the process's default stays unset, for whoever else may use str0m.
static CRYPTO: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(str0m::crypto::from_feature_flags()));
