//! ffmpeg's and ffprobe's command lines, as pure functions of the plan.
//!
//! Time stamps. `-copyts -start_at_zero` carries the film's own time, counted from its start,
//! through to both outputs, so a position is never derived. What holds (checked by tests):
//!
//! - Sound begins at the asked millisecond, also inside a long GOP: the decoder starts early and
//!   `first_pts` trims (or pads with silence) to the sample.
//! - A copied picture begins at the key frame before; a transcoded one at the asked place.
//! - In the HLS files, `tfdt` of each track is the media time at which its first sample is *shown*:
//!   `frag_discont` writes presentation time there, and the decoding delay of B-frames is in the
//!   edit list of `init.mp4`.
//!
//! Every option that is not self-evident was measured; those that harm (`-fflags nobuffer`,
//! `-reconnect_at_eof`) are absent on purpose.

use std::ffi::OsString;

use crate::frames::FRAME_MS;
use crate::plan::{AudioPlan, Colours, Plan, VideoPlan};
use crate::timing::WATCH_SEGMENTS;

/// The playlist in a run's folder.
pub const PLAYLIST: &str = "index.m3u8";
/// The initialisation segment in a run's folder.
pub const INIT_SEGMENT: &str = "init.mp4";

/// Demuxers that a film can need. No playlist format is among them: its entries would be fetched
/// by ffmpeg itself, past the proxy and its list of allowed origins.
const FORMATS: &str = "matroska,webm,mov,mp4,avi,mpegts,mpeg,flv,asf,ogg,wav,mp3,flac,aac,ac3,eac3,dts,m2v,m4v,h264,hevc,mpegvideo,rm,nut,ivf,w64,aiff,caf,ape,wv,tta,amr,dv,mxf,gxf";

/// What Opus's decoder swallows before it gives the first sample, in seconds (312 samples). Adding
/// it to the sound's time makes the encoder's first packet bear the asked time instead of one just
/// before it, which at the start of a film would be negative.
const OPUS_PRE_SKIP: &str = "0.0065";

/// One run of ffmpeg.
pub(crate) struct Run<'a> {
    /// The loopback URL.
    pub(crate) url: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) start_ms: u64,
    pub(crate) duration_ms: Option<u64>,
    /// Also write HLS into the working directory.
    pub(crate) hls: bool,
}

pub(crate) fn ffprobe(url: &str) -> Vec<OsString> {
    let mut args = Args::default();
    args.add("-v error -hide_banner");
    args.source_options();
    args.add("-of json -show_format -show_streams");
    args.pair("-i", url);
    args.0
}

pub(crate) fn ffmpeg(run: &Run<'_>) -> Vec<OsString> {
    let mut args = Args::default();
    args.add("-nostdin -hide_banner -v error");
    args.source_options();
    args.add("-reconnect 1 -reconnect_streamed 1 -reconnect_on_network_error 1");
    args.add("-reconnect_delay_max 5");
    if run.start_ms > 0 {
        args.pair("-ss", seconds(run.start_ms));
    }
    args.add("-copyts -start_at_zero");
    args.pair("-i", run.url);
    args.audio_input(run);
    args.video(run);
    args.audio(run);
    args.output(run.hls);
    args.0
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    /// Options without blanks in them.
    fn add(&mut self, options: &str) {
        self.0.extend(options.split(' ').map(OsString::from));
    }

    fn pair(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }

    /// Limits on what a source can make ffmpeg do, and on how long it may look at one: headers of
    /// mkv and mp4 say all at once, for mpegts 5 s would be the default.
    fn source_options(&mut self) {
        self.add("-protocol_whitelist http,tcp");
        self.pair("-format_whitelist", FORMATS);
        self.add("-analyzeduration 2000000 -probesize 5000000");
    }

    /// Silence is an input of its own, moved to where the film starts and as long as the film.
    fn audio_input(&mut self, run: &Run<'_>) {
        if run.plan.audio != AudioPlan::Silence {
            return;
        }
        if run.start_ms > 0 {
            self.pair("-itsoffset", seconds(run.start_ms));
        }
        let mut silence = "anullsrc=r=48000:cl=stereo".to_owned();
        match run.duration_ms {
            Some(d) if d > run.start_ms => {
                silence += ":d=";
                silence += &seconds(d - run.start_ms);
            }
            _ => self.add("-shortest"),
        }
        self.add("-f lavfi");
        self.pair("-i", silence);
    }

    fn video(&mut self, run: &Run<'_>) {
        match &run.plan.video {
            VideoPlan::None => self.add("-vn"),
            VideoPlan::Copy { stream } => {
                self.pair("-map", format!("0:{stream}"));
                // Without copytb the tee muxer counts in frames of the nominal rate, which moves
                // pictures by up to half a frame.
                self.add("-c:v copy -copytb 1");
            }
            VideoPlan::Transcode {
                stream,
                width,
                height,
                gop,
                deinterlace,
                colours,
            } => {
                self.pair("-map", format!("0:{stream}"));
                self.pair("-vf", video_filter(*width, *height, *deinterlace, *colours));
                self.add("-c:v libx264 -preset superfast -profile:v high -bf 0 -sc_threshold 0");
                self.pair("-g", gop.to_string());
                // One slice a picture: packetizers and hardware decoders want that.
                self.add("-x264-params slices=1:sliced-threads=0");
                let kbit = rate_kbit(*width, *height);
                self.pair("-b:v", format!("{kbit}k"));
                self.pair("-maxrate", format!("{kbit}k"));
                self.pair("-bufsize", format!("{kbit}k"));
                // Source frame rate; with copyts, constant-rate logic would drop and repeat.
                self.add("-fps_mode vfr");
            }
        }
    }

    fn audio(&mut self, run: &Run<'_>) {
        let map = match &run.plan.audio {
            AudioPlan::Silence => "1:a:0".to_owned(),
            AudioPlan::Encode { stream, .. } => format!("0:{stream}"),
        };
        self.pair("-map", map);
        let surround = matches!(run.plan.audio, AudioPlan::Encode { surround: true, .. });
        self.pair("-af", audio_filter(run.start_ms, surround));
        self.add("-c:a libopus -b:a 128k -ac 2 -ar 48000");
        self.pair("-frame_duration", FRAME_MS.to_string());
        self.add("-sn -dn -map_metadata -1 -map_chapters -1");
    }

    fn output(&mut self, hls: bool) {
        self.add("-avoid_negative_ts disabled");
        // A cluster for each packet: with the default ones sound would come in clumps.
        let pipe = "cluster_time_limit=1:flush_packets=1:avoid_negative_ts=disabled";
        if !hls {
            self.add("-f matroska");
            for option in pipe.split(':') {
                let (name, value) = option.split_once('=').unwrap_or((option, "1"));
                self.pair(&format!("-{name}"), value);
            }
            self.add("pipe:1");
            return;
        }
        // Paths are relative to the run's folder, so nothing in them needs the tee's escapes. The
        // pipe's back-pressure holds the whole tee back, and that bounds the run-ahead of both. A
        // full disk ends the picture, not the sound.
        self.add("-f tee");
        self.0.push(
            format!(
                "[select=a:f=matroska:{pipe}]pipe:1|\
                 [f=hls:onfail=ignore:hls_segment_type=fmp4:avoid_negative_ts=disabled:hls_time=2\
                 :hls_list_size={WATCH_SEGMENTS}:hls_flags=temp_file+delete_segments\
                 :hls_fmp4_init_filename={INIT_SEGMENT}:hls_segment_filename=seg-%d.m4s\
                 :hls_segment_options=movflags=+frag_discont]{PLAYLIST}"
            )
            .into(),
        );
    }
}

/// Stereo at 48 kHz that starts at exactly `start_ms`, with gaps of the source filled by silence.
/// swresample's own matrix serves every channel layout there is: the centre at full level and the
/// surrounds at half keep dialogue clear, and the sum is scaled so that nothing clips.
fn audio_filter(start_ms: u64, surround: bool) -> String {
    let mix = if surround {
        ":clev=1.0:slev=0.5:lfe_mix_level=0:rematrix_maxval=1.0"
    } else {
        ""
    };
    format!(
        "aresample=48000:ochl=stereo{mix}:async=1:first_pts={},asetpts=PTS+{OPUS_PRE_SKIP}/TB",
        start_ms * 48
    )
}

fn video_filter(width: u32, height: u32, deinterlace: bool, colours: Colours) -> String {
    let scale = format!("scale={width}:{height},setsar=1");
    let tone_map = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,\
                    tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv";
    let mut chain = Vec::new();
    if deinterlace {
        chain.push("yadif");
    }
    chain.push(&scale);
    if colours == Colours::ToneMapped {
        chain.push(tone_map);
    }
    chain.push("format=yuv420p");
    chain.join(",")
}

/// 2.5 Mbit/s for 720p, in proportion below, and not less than 600 kbit/s.
fn rate_kbit(width: u32, height: u32) -> u32 {
    (width * height / 100 * 2500 / 9216).max(600)
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::Abilities;
    use crate::probe::{AudioStream, Probe, VideoStream};

    fn plan(codec: &str, channels: Option<u32>) -> Plan {
        let probe = Probe {
            container: "matroska,webm".into(),
            duration_ms: Some(60_000),
            video: Some(VideoStream {
                index: 0,
                codec: codec.into(),
                width: 1920,
                height: 1080,
                pix_fmt: "yuv420p".into(),
                fps: 24.0,
                bits_per_second: None,
                hdr: false,
                interlaced: false,
                reshaped: false,
            }),
            audio: channels.map(|channels| AudioStream {
                index: 2,
                codec: "aac".into(),
                channels,
                end_ms: None,
            }),
        };
        let abilities = Abilities {
            tone_map: true,
            watched: true,
        };
        Plan::new(&probe, abilities)
    }

    fn line(plan: &Plan, start_ms: u64, hls: bool) -> String {
        let run = Run {
            url: "http://127.0.0.1:1/n",
            plan,
            start_ms,
            duration_ms: Some(60_000),
            hls,
        };
        let args = ffmpeg(&run);
        let args: Vec<_> = args.iter().map(|a| a.to_str().unwrap()).collect();
        args.join(" ")
    }

    #[test]
    fn a_copy_feeds_pipe_and_hls_from_one_encode() {
        let line = line(&plan("h264", Some(6)), 25_040, true);
        assert!(line.starts_with("-nostdin -hide_banner -v error -protocol_whitelist http,tcp "));
        assert!(line.contains(" -ss 25.040 -copyts -start_at_zero -i http://127.0.0.1:1/n "));
        assert!(line.contains(" -map 0:0 -c:v copy -copytb 1 -map 0:2 "));
        assert!(line.contains("clev=1.0:slev=0.5"));
        assert!(line.contains("first_pts=1201920,"));
        assert!(line.contains(" -f tee [select=a:f=matroska:"));
        assert!(line.contains("]pipe:1|[f=hls:onfail=ignore:"));
        assert!(line.ends_with("]index.m3u8"));
    }

    #[test]
    fn a_transcode_has_the_measured_flags() {
        let line = line(&plan("hevc", Some(2)), 0, true);
        assert!(!line.contains("-ss "));
        assert!(line.contains("-vf scale=1280:720,setsar=1,format=yuv420p "));
        assert!(line.contains("-preset superfast -profile:v high -bf 0 -sc_threshold 0 -g 48 "));
        assert!(line.contains("-b:v 2500k -maxrate 2500k"));
        assert!(line.contains("-fps_mode vfr"));
        assert!(!line.contains("clev"));
    }

    #[test]
    fn harmful_flags_are_absent() {
        let line = line(&plan("hevc", Some(2)), 1000, true);
        for flag in [
            "nobuffer",
            "reconnect_at_eof",
            "zerolatency",
            "force_key_frames",
        ] {
            assert!(!line.contains(flag), "{flag}");
        }
    }

    #[test]
    fn silence_starts_and_ends_with_the_film() {
        let line = line(&plan("h264", None), 10_000, true);
        assert!(
            line.contains("-itsoffset 10.000 -f lavfi -i anullsrc=r=48000:cl=stereo:d=50.000 ")
        );
        assert!(line.contains("-map 1:a:0 "));
    }

    #[test]
    fn without_hls_the_pipe_is_the_only_output() {
        let line = line(&plan("h264", Some(2)), 0, false);
        assert!(line.contains("-f matroska -cluster_time_limit 1 "));
        assert!(line.ends_with(" pipe:1"));
    }

    #[test]
    fn no_playlist_demuxer_is_allowed() {
        for name in [
            "hls",
            "dash",
            "concat",
            "ffmetadata",
            "image2",
            "lavfi",
            "sdp",
            "rtsp",
        ] {
            assert!(!FORMATS.split(',').any(|f| f == name), "{name}");
        }
    }
}
