//! Puts the built page where the crate embeds it from: `web/dist`, or a placeholder when there is none, so that
//! a plain `cargo build` needs no Node.

use std::{env, fs, io, path::Path};

const PLACEHOLDER: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Orb Stream</title>
<h1>Orb Stream</h1>
<p>The gateway runs, but its page was not built. Run <code>make web</code>, then build again.</p>
<p>The API is described at <a href="/api/openapi.json">/api/openapi.json</a>.</p>
</html>
"#;

fn main() -> io::Result<()> {
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let page = Path::new(&out).join("page");
    let dist = Path::new("web/dist");
    if page.exists() {
        fs::remove_dir_all(&page)?;
    }
    fs::create_dir_all(&page)?;
    if dist.join("index.html").exists() {
        println!("cargo:rerun-if-changed=web/dist");
        for entry in fs::read_dir(dist)? {
            let entry = entry?;
            fs::copy(entry.path(), page.join(entry.file_name()))?;
        }
    } else {
        // Not `web/dist` itself: cargo takes a path that does not exist for one that has just changed.
        println!("cargo:rerun-if-changed=web");
        for name in ["index.html", "watch.html"] {
            fs::write(page.join(name), PLACEHOLDER)?;
        }
    }
    Ok(())
}
