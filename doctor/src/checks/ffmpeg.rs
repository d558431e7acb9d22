//! ffmpeg and ffprobe: there, new enough, and with all that the worker's command lines name (`worker/media`).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Subject;
use crate::{Finding, Role};

const CHECK: &str = "ffmpeg";
const INSTALL: &str =
    "install it (Debian: apt-get install ffmpeg) and see that PATH of this user has it";

/// `-fps_mode` came with 5.1.
const OLDEST: (u32, u32) = (5, 1);

const ENCODERS: &[&str] = &["libopus", "libx264"];
const FILTERS: &[&str] = &[
    "aresample",
    "asetpts",
    "anullsrc",
    "scale",
    "setsar",
    "format",
];
/// Input from the worker's own proxy, output into a pipe and files.
const PROTOCOLS: &[&str] = &["http", "tcp", "pipe", "file"];
const MUXERS: &[&str] = &["matroska", "tee", "hls", "mp4"];
/// A title that needs one of them is played all the same, only worse.
const WANTED_FILTERS: &[(&str, &str)] = &[
    ("zscale", "HDR films are played with pale colours"),
    ("tonemap", "HDR films are played with pale colours"),
    ("yadif", "interlaced films cannot be played"),
];

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    if !subject.is(&[Role::Up, Role::Worker]) {
        return subject.not_needed(CHECK);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let (ffmpeg, ffprobe) = tokio::join!(ffmpeg(&folders), ffprobe(&folders));
    vec![ffmpeg, ffprobe]
}

async fn ffprobe(folders: &[PathBuf]) -> Finding {
    const CHECK: &str = "ffprobe";
    let Some(tool) = find(folders, "ffprobe") else {
        return Finding::failed(CHECK, "it is not in PATH", INSTALL);
    };
    match ask(&tool, "-version").await {
        Ok(text) => Finding::ok(
            CHECK,
            format!("{} ({})", version_text(&text), tool.display()),
        ),
        Err(reason) => Finding::failed(CHECK, reason, INSTALL),
    }
}

async fn ffmpeg(folders: &[PathBuf]) -> Finding {
    let Some(tool) = find(folders, "ffmpeg") else {
        return Finding::failed(CHECK, "it is not in PATH", INSTALL);
    };
    let asked = tokio::try_join!(
        ask(&tool, "-version"),
        ask(&tool, "-encoders"),
        ask(&tool, "-filters"),
        ask(&tool, "-protocols"),
        ask(&tool, "-muxers"),
    );
    let (version, encoders, filters, protocols, muxers) = match asked {
        Ok(answers) => answers,
        Err(reason) => return Finding::failed(CHECK, reason, INSTALL),
    };
    let missing: Vec<String> = [
        ("encoder", ENCODERS, &encoders),
        ("filter", FILTERS, &filters),
        ("protocol", PROTOCOLS, &protocols),
        ("muxer", MUXERS, &muxers),
    ]
    .into_iter()
    .flat_map(|(kind, wanted, listed)| {
        let absent = wanted.iter().filter(|name| !lists(listed, name));
        absent.map(move |name| format!("{kind} {name}"))
    })
    .collect();
    judge(&version, &tool, &missing, &filters)
}

fn judge(version: &str, tool: &Path, missing: &[String], filters: &str) -> Finding {
    let found = format!("{} ({})", version_text(version), tool.display());
    if !missing.is_empty() {
        let found = format!("{found} was built without {}", missing.join(", "));
        return Finding::failed(
            CHECK,
            found,
            "install a full build, such as Debian's ffmpeg",
        );
    }
    if version_of(version).is_some_and(|version| version < OLDEST) {
        let fix = format!("install {}.{} or newer", OLDEST.0, OLDEST.1);
        return Finding::failed(CHECK, format!("{found} is too old"), fix);
    }
    let absent = WANTED_FILTERS
        .iter()
        .find(|(name, _)| !lists(filters, name));
    if let Some((name, consequence)) = absent {
        let found = format!("{found} was built without filter {name}: {consequence}");
        return Finding::warning(
            CHECK,
            found,
            "install a full build, such as Debian's ffmpeg",
        );
    }
    Finding::ok(CHECK, format!("{found} with {}", ENCODERS.join(", ")))
}

fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(is_program)
}

async fn ask(tool: &Path, question: &str) -> Result<String, String> {
    let output = Command::new(tool)
        .args(["-hide_banner", question])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("{} does not start: {error}", tool.display()))?;
    if !output.status.success() {
        return Err(format!(
            "`{} {question}` ends with {}",
            tool.display(),
            output.status
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a line's second word is the name, or, as in the list of protocols, its only one.
fn lists(answer: &str, name: &str) -> bool {
    answer.lines().any(|line| {
        let mut words = line.split_whitespace();
        let (first, second) = (words.next(), words.next());
        second.map_or(first == Some(name), |second| second == name)
    })
}

/// `5.1.6-0+deb12u1`
fn version_text(answer: &str) -> &str {
    let mut words = answer.split_whitespace();
    words
        .find(|word| *word == "version")
        .and_then(|_| words.next())
        .unwrap_or("of unknown version")
}

/// None of a build from between two releases, which is named by its commit.
fn version_of(answer: &str) -> Option<(u32, u32)> {
    let text = version_text(answer);
    let mut parts = text
        .strip_prefix('n')
        .unwrap_or(text)
        .split(['.', '-', '+']);
    Some((
        parts.next()?.parse().ok()?,
        parts.next().and_then(|part| part.parse().ok()).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    const FILTERS_TEXT: &str = " .SC zscale  V->V\n .S. tonemap  V->V\n TS. yadif V->V\n";

    fn outcome(version: &str, missing: &[&str], filters: &str) -> Outcome {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        judge(version, Path::new("/usr/bin/ffmpeg"), &missing, filters).outcome
    }

    #[test]
    fn reads_versions() {
        let version = |text: &str| version_of(&format!("ffmpeg version {text} Copyright (c)"));
        assert_eq!(version("5.1.6-0+deb12u1"), Some((5, 1)));
        assert_eq!(version("n7.0"), Some((7, 0)));
        assert_eq!(version("8"), Some((8, 0)));
        assert_eq!(version("N-118000-g1234567"), None);
    }

    #[test]
    fn old_and_incomplete_builds_fail_and_poor_ones_warn() {
        let new = "ffmpeg version 7.1 Copyright";
        assert_eq!(outcome(new, &[], FILTERS_TEXT), Outcome::Ok);
        assert_eq!(
            outcome(new, &["encoder libopus"], FILTERS_TEXT),
            Outcome::Failed
        );
        assert_eq!(
            outcome("ffmpeg version 4.4.2 Copyright", &[], FILTERS_TEXT),
            Outcome::Failed
        );
        assert_eq!(
            outcome("ffmpeg version N-1-gabc Copyright", &[], FILTERS_TEXT),
            Outcome::Ok
        );
        assert_eq!(outcome(new, &[], " .S. tonemap V->V"), Outcome::Warning);
    }

    #[test]
    fn finds_names_in_all_lists() {
        assert!(lists(" V....D libx264    libx264 H.264", "libx264"));
        assert!(lists("Input:\n  http\n  tcp", "tcp"));
        assert!(!lists(" V....D libx264rgb libx264", "libx264"));
    }
}
