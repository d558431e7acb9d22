//! What the end of a voice gateway connection means.

/// What to do after a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// RESUME with the same credentials; media goes on meanwhile.
    Resume,
    /// IDENTIFY with the same credentials: the server forgot, or did not understand, what came before.
    Identify,
    /// These credentials are used up: the main gateway has to bring new ones.
    NewCredentials,
    /// Nothing may be tried again by itself.
    Final,
}

/// Judges a close code; `None` is an end without one (reset, end of stream, silence).
///
/// Codes: Discord, "Voice Close Event Codes"; DESIGN and the change log of 2 September 2025 for 4017. A code that is not
/// listed is taken for a new way to say "come again" below 4000, and for "identify anew" above.
pub fn judge(code: Option<u16>) -> Verdict {
    match code {
        // "Voice server crashed. Try resuming."
        None | Some(..4000 | 4015) => Verdict::Resume,
        // "Session no longer valid", "session timeout".
        Some(4006 | 4009) => Verdict::NewCredentials,
        // Authentication failed; server not found; unknown protocol; disconnected (kicked, moved, or the main gateway
        // session dropped: "don't reconnect"); unknown encryption mode; end-to-end encryption required; rate limited
        // ("don't reconnect"); call terminated ("don't reconnect").
        Some(4004 | 4011 | 4012 | 4014 | 4016 | 4017 | 4021 | 4022) => Verdict::Final,
        // Unknown opcode, failed to decode, not authenticated, already authenticated, bad request: something of this
        // conversation was wrong. A new one may do.
        Some(_) => Verdict::Identify,
    }
}

/// What a code means, in words; for logs and states.
pub fn describe(code: u16) -> &'static str {
    match code {
        4001 => "unknown opcode",
        4002 => "failed to decode payload",
        4003 => "not authenticated",
        4004 => "authentication failed",
        4005 => "already authenticated",
        4006 => "session no longer valid",
        4009 => "session timed out",
        4011 => "server not found",
        4012 => "unknown protocol",
        4014 => "disconnected: moved, kicked, or the channel is gone",
        4015 => "voice server crashed",
        4016 => "unknown encryption mode",
        4017 => "end-to-end encryption required",
        4020 => "bad request",
        4021 => "rate limited",
        4022 => "call terminated",
        ..=3999 => "closed by the server",
        _ => "unknown close code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_has_its_verdict() {
        let documented = [
            (4001, Verdict::Identify),
            (4002, Verdict::Identify),
            (4003, Verdict::Identify),
            (4004, Verdict::Final),
            (4005, Verdict::Identify),
            (4006, Verdict::NewCredentials),
            (4009, Verdict::NewCredentials),
            (4011, Verdict::Final),
            (4012, Verdict::Final),
            (4014, Verdict::Final),
            (4015, Verdict::Resume),
            (4016, Verdict::Final),
            (4017, Verdict::Final),
            (4020, Verdict::Identify),
            (4021, Verdict::Final),
            (4022, Verdict::Final),
        ];
        for (code, verdict) in documented {
            assert_eq!(judge(Some(code)), verdict, "{code}");
            assert_ne!(describe(code), "unknown close code", "{code}");
        }
    }

    #[test]
    fn an_end_without_a_code_is_a_cut() {
        assert_eq!(judge(None), Verdict::Resume);
        assert_eq!(judge(Some(1000)), Verdict::Resume);
        assert_eq!(judge(Some(1006)), Verdict::Resume);
    }
}
