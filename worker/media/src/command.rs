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
    args.output(run);
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
                if run.plan.picture.is_some() {
                    // Matroska behind a tee does not take the tag of a transport stream.
                    self.add("-tag:v avc1");
                }
            }
            VideoPlan::Transcode {
                stream,
                width,
                height,
                gop,
                deinterlace,
                colours,
                live,
            } => {
                self.pair("-map", format!("0:{stream}"));
                let step = live.map_or(1, |live| live.frame_step);
                let filter = video_filter(*width, *height, *deinterlace, step, *colours);
                self.pair("-vf", filter);
                self.add("-c:v libx264 -preset superfast -profile:v high -bf 0 -sc_threshold 0");
                match live {
                    None => self.for_pages(*gop, rate_kbit(*width, *height)),
                    Some(live) => self.for_channel(live.bits_per_second),
                }
                // Source frame rate; with copyts, constant-rate logic would drop and repeat.
                self.add("-fps_mode vfr");
            }
        }
    }

    fn for_pages(&mut self, gop: u32, kbit: u32) {
        self.pair("-g", gop.to_string());
        // One slice a picture: packetizers and hardware decoders want that.
        self.add("-x264-params slices=1:sliced-threads=0");
        self.pair("-b:v", format!("{kbit}k"));
        self.pair("-maxrate", format!("{kbit}k"));
        self.pair("-bufsize", format!("{kbit}k"));
    }

    /// What `h264::Stream` makes of it has parameter sets ahead of each IDR picture, so they are not repeated here.
    fn for_channel(&mut self, bits_per_second: u64) {
        // Whoever joins or lost too much is served by the next IDR picture, as ffmpeg cannot be asked for one. By time:
        // films have no steady frame rate. `-g` only bounds what a broken clock could do.
        self.add("-g 300 -forced-idr 1 -force_key_frames");
        self.add("expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+0.99))");
        // The tee muxer does not say that what it writes to wants parameter sets up front.
        self.add("-flags +global_header");
        // With frame threads, each one more holds the first picture back by one; four are enough for 1080p60.
        self.add("-x264-params slices=1:sliced-threads=0:threads=4:aud=0");
        self.pair("-b:v", bits_per_second.to_string());
        self.pair("-maxrate", bits_per_second.to_string());
        // No picture is more than the line takes in 0.4 s: a key frame is to be spread, not to be waited for.
        self.pair("-bufsize", (bits_per_second * 2 / 5).to_string());
        // Else time stamps are rounded to a steady frame rate, which moves pictures by up to half of one.
        self.add("-enc_time_base 1:1000");
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

    fn output(&mut self, run: &Run<'_>) {
        self.add("-avoid_negative_ts disabled");
        // A cluster for each packet: with the default ones sound would come in clumps.
        let mut pipe = "cluster_time_limit=1:flush_packets=1:avoid_negative_ts=disabled".to_owned();
        let mut select = "select=a:";
        if run.plan.picture.is_some() {
            // How long picture and sound may wait for one another, in µs: after a seek a copy has ten seconds of
            // picture before its first sound, and films have stretches without one of them.
            let wait = "max_interleave_delta=100000";
            self.add(&format!("-{}", wait.replace('=', " ")));
            pipe = format!("{pipe}:{wait}");
            select = "";
        }
        if !run.hls {
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
                "[{select}f=matroska:{pipe}]pipe:1|\
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

fn video_filter(
    width: u32,
    height: u32,
    deinterlace: bool,
    frame_step: u32,
    colours: Colours,
) -> String {
    let step = format!("framestep={frame_step}");
    let scale = format!("scale={width}:{height},setsar=1");
    let tone_map = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,\
                    tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv";
    let mut chain = Vec::new();
    if deinterlace {
        chain.push("yadif");
    }
    if frame_step > 1 {
        chain.push(&step);
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
mod tests;
