//! Compiles `orb/v1/*.proto` without `protoc`, and keeps the descriptor set for server reflection.
use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=orb");
    let descriptors = protox::compile(
        [
            "orb/v1/admin.proto",
            "orb/v1/gateway.proto",
            "orb/v1/party.proto",
            "orb/v1/session.proto",
            "orb/v1/worker.proto",
        ],
        ["."],
    )?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("orb.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
