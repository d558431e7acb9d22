//! What the numbers were measured on, and by what.

use std::fs;

use serde::Serialize;

/// The machine and the run; stands beside every number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    profile: &'static str,
    command: String,
    /// Load average of the last minute: what else the machine had to do.
    load: f64,
}

impl Machine {
    /// This one, now.
    pub(crate) fn here() -> Self {
        Self {
            cpu: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            profile: if cfg!(debug_assertions) {
                "dev"
            } else {
                "release"
            },
            command: std::env::args().collect::<Vec<_>>().join(" "),
            load: load(),
        }
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let Self {
            cpu,
            cores,
            profile,
            command,
            load,
        } = self;
        format!("{command} ({profile} build) on {cores} x {cpu}, load {load:.1}")
    }
}

/// The load average of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|one| one.parse().ok()).unwrap_or_default()
}

fn cpu_model(cpuinfo: &str) -> String {
    // On ARM there is no such line.
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(':'));
    model.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, model)| model.trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_model() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t: fpu\n";
        assert_eq!(cpu_model(cpuinfo), "Some CPU @ 2.00GHz");
        assert_eq!(cpu_model("processor : 0"), std::env::consts::ARCH);
    }
}
