//! Where cargo put what it built.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where the binaries are that were built with this one: `target/debug`.
pub fn profile() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("finding this program")?;
    let folder = executable.parent().context("a program is in a folder")?;
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    let profile = if is_test {
        folder.parent()
    } else {
        Some(folder)
    };
    Ok(profile
        .context("deps is in the profile's folder")?
        .to_owned())
}

/// `target`.
pub fn target() -> Result<PathBuf> {
    let profile = profile()?;
    Ok(profile
        .parent()
        .context("the profile's folder is in target")?
        .to_owned())
}
