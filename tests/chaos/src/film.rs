//! The film of all parties: its sound tells the second.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jellyfin_sim::film::{FilmSpec, generate};

/// Below the 1,024 seconds after which the sound's numbers begin anew, and longer than anything that is played through.
pub const FILM_SECONDS: u32 = 600;

/// Its item id in the library.
pub const FILM_ID: &str = "c4a05000000000000000000000000001";

/// As people read it.
pub const FILM_TITLE: &str = "The Storm";

/// Its file, made once and kept in `folder`.
pub async fn made(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).context("making the films' folder")?;
    let path = folder.join(format!("storm-{FILM_SECONDS}s.mkv"));
    let lock = File::create(path.with_extension("lock")).context("making the film's lock")?;
    tokio::task::block_in_place(|| lock.lock()).context("locking the film")?;
    if !path.exists() {
        // The smallest there is: its picture is only carried along.
        let spec = FilmSpec {
            seconds: FILM_SECONDS,
            width: 320,
            height: 180,
            ..FilmSpec::default()
        };
        generate(&path, spec).await.context("making the film")?;
    }
    Ok(path)
}
