//! The binary, as a test in another language would start it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Ends the process even when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn prints_where_it_is_and_answers_there() {
    let mut sim = Running(
        Command::new(env!("CARGO_BIN_EXE_discord-sim"))
            .args(["--guilds", "12,13", "--no-dave"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(sim.0.stdout.take().unwrap()).lines();
    let mut value = |key: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(key).unwrap().trim().to_owned()
    };
    let (api, ca) = (value("api "), value("ca "));
    let pem = std::fs::read_to_string(ca).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let gateway = reqwest::get(format!("{api}/api/v10/gateway"))
        .await
        .unwrap();
    let gateway: serde_json::Value = gateway.json().await.unwrap();
    assert!(
        gateway["url"]
            .as_str()
            .unwrap()
            .starts_with("ws://127.0.0.1:")
    );
}
