//! A [`Dave`] that is asked for frames after all that happens to it: none may leave in the clear.

use orb_voice::{
    Dave, OPUS_SILENCE, OnDowngrade, Sealed,
    wire::{ClientMessage, DaveMessage},
};

/// No two runs of bytes in it are equal.
const FRAME: [u8; 40] = {
    let mut frame = [0xfc; 40];
    let mut at = 1;
    while at < frame.len() {
        frame[at] = (at * 5) as u8;
        at += 1;
    }
    frame
};

/// An access unit of one slice, the end of which no other run of bytes in it is equal to.
const PICTURE: [u8; 40] = {
    let mut picture = FRAME;
    let head = [0, 0, 0, 1, 0x41, 0x9a];
    let mut at = 0;
    while at < head.len() {
        picture[at] = head[at];
        at += 1;
    }
    picture
};

/// What a DAVE frame has besides its ciphertext: tag (8), nonce (at least 1), size (1), marker (2).
const SUPPLEMENT: usize = 12;

const MARKER: [u8; 2] = [0xfa, 0xfa];

pub(super) struct WatchedDave {
    dave: Dave,
    required: bool,
    sealed: Vec<u8>,
}

impl WatchedDave {
    pub(super) fn new(user: u64, channel: u64) -> Self {
        Self {
            dave: Dave::new(user, channel, OnDowngrade::Hold),
            required: false,
            sealed: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, version: u16) -> Vec<ClientMessage> {
        let answers = self.dave.begin(version);
        self.required |= version > 0;
        self.watch();
        answers
    }

    pub(super) fn handle(&mut self, message: DaveMessage) -> Vec<ClientMessage> {
        let answers = self.dave.handle(message);
        assert!(answers.len() <= 2, "{answers:?}");
        self.watch();
        answers
    }

    pub(super) fn joined(&mut self, users: &[u64]) {
        self.dave.joined(users);
    }

    pub(super) fn left(&mut self, user: u64) {
        self.dave.left(user);
    }

    pub(super) fn forget_members(&mut self) {
        self.dave.forget_members();
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        self.dave.epoch()
    }

    /// What goes out for `packet`, if anything may.
    pub(super) fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let sealed = self.dave.seal_opus(packet, &mut self.sealed);
        self.check(packet, sealed);
        (sealed == Sealed::Ready).then(|| self.sealed.clone())
    }

    pub(super) fn open(&mut self, user: u64, frame: &[u8]) -> Option<Vec<u8>> {
        let opened = self.dave.open_opus(user, frame);
        if let Some(opened) = &opened {
            assert!(opened.len() <= frame.len(), "a frame grew");
        }
        opened
    }

    fn watch(&mut self) {
        self.required |= self.dave.is_required();
        assert_eq!(self.required, self.dave.is_required(), "DAVE was forgotten");
        let may_send = self.dave.may_send();
        let sealed = self.dave.seal_opus(&FRAME, &mut self.sealed);
        assert_eq!(may_send, sealed == Sealed::Ready);
        self.check(&FRAME, sealed);
        let sealed = self.dave.seal_picture(&PICTURE, &mut self.sealed);
        assert_eq!(may_send, sealed == Sealed::Ready);
        self.check_picture(sealed);
        assert_eq!(
            self.dave.seal_opus(&OPUS_SILENCE, &mut self.sealed),
            Sealed::Ready
        );
    }

    /// Parameter sets are in the clear by DAVE's own rules; of a slice, its first bytes.
    fn check_picture(&self, sealed: Sealed) {
        match sealed {
            Sealed::NoKey => assert!(self.sealed.is_empty(), "something without a key"),
            Sealed::Ready if self.required => {
                assert!(self.sealed.len() >= PICTURE.len() + SUPPLEMENT);
                assert!(self.sealed.ends_with(&MARKER), "no DAVE frame");
                let mut windows = self.sealed.windows(8);
                let clear = windows.any(|run| run == &PICTURE[PICTURE.len() - 8..]);
                assert!(!clear, "a picture in the clear");
            }
            Sealed::Ready => assert_eq!(self.sealed, PICTURE),
        }
    }

    fn check(&self, packet: &[u8], sealed: Sealed) {
        match sealed {
            Sealed::NoKey => assert!(self.sealed.is_empty(), "something without a key"),
            Sealed::Ready if self.required && packet != OPUS_SILENCE => {
                let length = self.sealed.len();
                assert!(length >= packet.len() + SUPPLEMENT, "{length} bytes");
                assert!(self.sealed.ends_with(&MARKER), "no DAVE frame");
                let mut windows = self.sealed.windows(8);
                let clear = packet.len() >= 8 && windows.any(|run| run == &packet[..8]);
                assert!(!clear, "a frame in the clear");
            }
            Sealed::Ready => assert_eq!(self.sealed, packet),
        }
    }
}
