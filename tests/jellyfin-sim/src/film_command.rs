//! The ffmpeg command that makes a film.

use std::path::Path;

use tokio::process::Command;

use crate::click_track::SAMPLE_RATE;
use crate::film::{Audio, Container, FilmSpec};
use crate::time_code::SQUARES;

/// Reads the time-code squares from the file `codes` and, for a film with sound, samples (mono, 16 bit,
/// little endian) from standard input. `output` is replaced.
pub(crate) fn film_command(spec: &FilmSpec, font: &str, codes: &Path, output: &Path) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(words("-nostdin -v error -y"));
    add_inputs(&mut ffmpeg, spec, codes);
    let picture = picture_graph(spec, font);
    match spec.audio {
        None => ffmpeg
            .args(["-filter_complex", &picture])
            .args(words("-map [v]")),
        Some(audio) => {
            let sound = sound_graph(audio, spec.container);
            ffmpeg.args(["-filter_complex", &format!("{picture};{sound}")]);
            ffmpeg.args(words("-map [v] -map [a] -metadata:s:a:0 language=eng"));
            ffmpeg.args(words(audio.encoder()))
        }
    };
    ffmpeg.args(words(
        "-c:v libx264 -preset ultrafast -crf 23 -pix_fmt yuv420p",
    ));
    let (gop, bframes) = (spec.gop_seconds * spec.fps, spec.bframes);
    ffmpeg.args(words(&format!(
        "-g {gop} -keyint_min {gop} -sc_threshold 0"
    )));
    ffmpeg.args(words(&format!("-bf {bframes}")));
    ffmpeg.args(words(
        "-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709",
    ));
    // x264 writes the number of threads into the stream, and the muxers a date and random ids.
    ffmpeg.args(words(
        "-threads 2 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact",
    ));
    ffmpeg.args(words(match spec.container {
        Container::Mkv => "-f matroska",
        Container::Mp4 => "-movflags +faststart -f mp4",
    }));
    ffmpeg.arg(output);
    ffmpeg
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ')
}

/// 0: background, 1: test card, 2: time-code squares, 3: sound.
fn add_inputs(ffmpeg: &mut Command, spec: &FilmSpec, codes: &Path) {
    let fps = spec.fps;
    // A small gradient made big is smooth, and cheap.
    let gradient = format!(
        "gradients=size=320x180:rate={fps}:speed=0.02:seed=7:nb_colors=3\
         :c0=0x1b2a6b:c1=0x7a1fa2:c2=0x0b6e99"
    );
    let (width, height) = (even(spec.width * 3 / 10), even(spec.height * 3 / 10));
    let card = format!("testsrc2=size={width}x{height}:rate={fps}");
    ffmpeg.args(words(&format!("-f lavfi -i {gradient} -f lavfi -i {card}")));
    ffmpeg.args(words("-f rawvideo -pixel_format gray"));
    ffmpeg
        .args(words(&format!(
            "-video_size {SQUARES}x1 -framerate {fps} -i"
        )))
        .arg(codes);
    if spec.audio.is_some() {
        ffmpeg.args(words(&format!(
            "-f s16le -ar {SAMPLE_RATE} -ac 1 -i pipe:0"
        )));
    }
}

fn picture_graph(spec: &FilmSpec, font: &str) -> String {
    let FilmSpec { width, height, .. } = *spec;
    let row = even(width / 32);
    let (big, small, border) = (height / 6, height / 24, (height / 180).max(1));
    // The squares are the one picture that ends; with `-frames:v` ffmpeg would cut the sound short.
    // `hms` writes a blank for the sign first: half of its width is taken off to centre the digits.
    format!(
        "[0:v]scale={width}:{height}:flags=bilinear,format=yuv420p[background];\
         [1:v]format=yuv420p[card];\
         [background][card]overlay=(W-w)/2:H*0.6,\
         drawtext=fontfile={font}:text='%{{pts\\:hms}}':fontsize={big}:fontcolor=white\
         :borderw={border}:bordercolor=black@0.6:x=(w-tw-tw/13)/2:y=h*0.2,\
         drawtext=fontfile={font}:text='Orb Stream test film':fontsize={small}\
         :fontcolor=white@0.85:x=(w-tw)/2:y=h*0.45[picture];\
         [2:v]scale={width}:{row}:flags=neighbor,format=yuv420p[code];\
         [picture][code]overlay=0:0:shortest=1[v]"
    )
}

fn sound_graph(audio: Audio, container: Container) -> String {
    let channels = audio.channels();
    let priming = audio.priming(container);
    format!("[3:a]{channels},asetpts=PTS+{priming}[a]")
}

fn even(n: u32) -> u32 {
    n & !1
}
