//! The store's migrations are read at compile time: a new one is a change of this crate, too.

fn main() {
    println!("cargo::rerun-if-changed=../scheduler/store/migrations");
}
