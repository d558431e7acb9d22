//! Films, made once and kept in `target/e2e-films`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use jellyfin_sim::film::{Audio, FilmSpec, generate};

/// A film that tests play, under the name that it has in the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Title {
    /// Two minutes of 360p with a key frame every 2 s: copied.
    Clock,
    /// The same with a key frame every 10 s: a seek lands far from one. Copied.
    LongGop,
    /// 10-bit H.264 with a key frame every 10 s: transcoded.
    TenBit,
    /// Six seconds.
    Short,
    /// Five seconds.
    Shorter,
    /// Four seconds.
    Shortest,
    /// Twelve seconds of picture without any sound.
    Silent,
}

impl Title {
    /// Every title.
    pub const ALL: [Self; 7] = [
        Self::Clock,
        Self::LongGop,
        Self::TenBit,
        Self::Short,
        Self::Shorter,
        Self::Shortest,
        Self::Silent,
    ];

    /// Its item id in the library.
    pub fn id(self) -> &'static str {
        match self {
            Self::Clock => "c10c0000000000000000000000000001",
            Self::LongGop => "c10c0000000000000000000000000002",
            Self::TenBit => "c10c0000000000000000000000000003",
            Self::Short => "c10c0000000000000000000000000004",
            Self::Shorter => "c10c0000000000000000000000000005",
            Self::Shortest => "c10c0000000000000000000000000006",
            Self::Silent => "c10c0000000000000000000000000007",
        }
    }

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "The Clock",
            Self::LongGop => "The Long Group",
            Self::TenBit => "The Deep Colours",
            Self::Short => "The Short One",
            Self::Shorter => "The Shorter One",
            Self::Shortest => "The Shortest One",
            Self::Silent => "The Silent One",
        }
    }

    /// Its length.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Short => 6,
            Self::Shorter => 5,
            Self::Shortest => 4,
            Self::Silent => 12,
            _ => 120,
        }
    }

    fn spec(self) -> FilmSpec {
        FilmSpec {
            seconds: self.seconds(),
            width: 640,
            height: 360,
            gop_seconds: match self {
                Self::LongGop | Self::TenBit => 10,
                _ => 2,
            },
            audio: (self != Self::Silent).then_some(Audio::AacStereo),
            ..FilmSpec::default()
        }
    }

    /// Its file, made if need be.
    pub async fn file(self) -> PathBuf {
        let film = made(self.spec()).await;
        match self {
            Self::TenBit => in_ten_bits(&film),
            _ => film,
        }
    }
}

/// The file of a generated film; the same specification gives the same file.
pub async fn made(spec: FilmSpec) -> PathBuf {
    let path = folder().join(format!("{}.mkv", name_of(&spec)));
    let _making = making(&path);
    if !path.exists() {
        generate(&path, spec).await.expect("ffmpeg makes the film");
    }
    path
}

/// The same film as 10-bit H.264, which no browser plays: it has to be transcoded. Key frames stay where they are.
pub fn in_ten_bits(film: &Path) -> PathBuf {
    let path = film.with_extension("ten-bit.mkv");
    let _making = making(&path);
    if path.exists() {
        return path;
    }
    let unfinished = path.with_extension("unfinished.mkv");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(film)
        .args("-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a copy".split(' '))
        .args([
            "-force_key_frames",
            "source",
            "-g",
            "100000",
            "-sc_threshold",
            "0",
        ])
        .arg(&unfinished)
        .status()
        .expect("ffmpeg is installed");
    assert!(done.success(), "ffmpeg makes the 10-bit film");
    std::fs::rename(&unfinished, &path).expect("a rename in one folder");
    path
}

/// Where cargo puts what it builds: the test executable is `target/<profile>/deps/<name>`.
pub(crate) fn target_folder() -> PathBuf {
    profile_folder()
        .parent()
        .expect("the profile's folder is in target")
        .to_owned()
}

/// Where the binaries are that were built with this test.
pub(crate) fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has an executable");
    test.parent()
        .and_then(Path::parent)
        .expect("a test executable is in target/<profile>/deps")
        .to_owned()
}

fn folder() -> PathBuf {
    let folder = target_folder().join("e2e-films");
    std::fs::create_dir_all(&folder).expect("target can be written");
    folder
}

/// Held while a film is made, so that two tests do not make the same one at once.
fn making(path: &Path) -> File {
    let lock = File::create(path.with_extension("lock")).expect("target can be written");
    lock.lock().expect("the file system has locks");
    lock
}

/// A specification as a file name.
fn name_of(spec: &FilmSpec) -> String {
    let audio = spec
        .audio
        .map_or_else(|| "silent".to_owned(), |audio| format!("{audio:?}"));
    format!(
        "{}s-{}x{}-{}fps-gop{}-b{}-{audio}-{:?}",
        spec.seconds,
        spec.width,
        spec.height,
        spec.fps,
        spec.gop_seconds,
        spec.bframes,
        spec.container,
    )
}
