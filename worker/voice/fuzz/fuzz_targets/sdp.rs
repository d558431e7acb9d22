#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    orb_voice_fuzz::sdp(data);
});
