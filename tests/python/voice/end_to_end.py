"""A member's side of DAVE around libdave (dave-protocol, "Protocol Transitions" and "Voice Gateway Opcodes").

No I/O: messages go in, and what is to be answered comes back as a list of `(opcode, data)`; bytes are binary messages.
"""

import logging

import dave

#: libdave logs every frame that it refuses, and the tests have it refuse some.
logging.getLogger("dave").setLevel(logging.CRITICAL)

EXECUTE_TRANSITION, TRANSITION_READY, PREPARE_EPOCH = 22, 23, 24
EXTERNAL_SENDER, KEY_PACKAGE, PROPOSALS, COMMIT_WELCOME = 25, 26, 27, 28
ANNOUNCE_COMMIT, WELCOME, INVALID_COMMIT_WELCOME = 29, 30, 31
PREPARE_TRANSITION = 21

#: Ends every encrypted frame (dave-protocol, "Payload Format").
MARKER = b"\xfa\xfa"

#: The epoch of a group that is made anew.
NEW_GROUP = 1

#: The transition of a (re)initialization: nobody is asked whether they are ready.
AT_ONCE = 0


class EndToEnd:
    """One connection's group, encryptor and decryptors."""

    def __init__(self, user, channel, ssrc, commits=True):
        self.user, self.channel, self.ssrc = user, channel, ssrc
        #: Whether it answers proposals. A member need not: the first commit of any wins.
        self.commits = commits
        self.failures = []
        self.session = dave.Session(lambda source, reason: self.failures.append((source, reason)))
        self.encryptor = dave.Encryptor()
        self.encryptor.assign_ssrc_to_codec(ssrc, dave.Codec.opus)
        self.encryptor.assign_ssrc_to_codec(ssrc + 1, dave.Codec.h264)
        self.decryptors = {}
        self.known = {user}
        self.prepared = {}
        #: Transitions that this member took part in, in order.
        self.executed = []
        #: Called after each of them.
        self.on_executed = lambda: None
        #: Commits of its own that were announced as those that won.
        self.own_commits = 0
        self.commit_sent = None

    def begin(self, version):
        """A session description came."""
        if version == 0:
            raise ValueError("the call is not end-to-end encrypted")
        return self.new_group(version)

    def new_group(self, version):
        self.session.init(version, int(self.channel), self.user)
        return [(KEY_PACKAGE, self.session.get_marshalled_key_package())]

    def joined(self, users):
        self.known.update(users)

    def left(self, user):
        if user != self.user:
            self.known.discard(user)
            self.decryptors.pop(user, None)

    def json(self, op, data):
        if op == PREPARE_TRANSITION:
            return self.prepare(data["transition_id"], data["protocol_version"])
        if op == EXECUTE_TRANSITION:
            self.execute(data["transition_id"])
        elif op == PREPARE_EPOCH and data["epoch"] == NEW_GROUP:
            return self.new_group(data["protocol_version"])
        return []

    def binary(self, op, payload):
        if op == EXTERNAL_SENDER:
            self.session.set_external_sender(payload)
        elif op == PROPOSALS:
            return self.propose(payload)
        elif op in (ANNOUNCE_COMMIT, WELCOME):
            return self.follow(op, int.from_bytes(payload[:2], "big"), payload[2:])
        return []

    def propose(self, proposals):
        commit_welcome = self.session.process_proposals(proposals, self.known)
        if commit_welcome is None or not self.commits:
            return []
        self.commit_sent = commit_welcome
        return [(COMMIT_WELCOME, commit_welcome)]

    def follow(self, op, transition, message):
        """A commit or a welcome: the group has a new epoch."""
        if op == ANNOUNCE_COMMIT:
            joined = self.session.process_commit(message)
            if joined == dave.RejectType.ignored:
                return []
            self.own_commits += self.commit_sent is not None and self.commit_sent.startswith(message)
        else:
            joined = self.session.process_welcome(message, self.known)
        if not isinstance(joined, dict):
            self.failures.append((f"op {op}", f"{joined}"))
            answers = [(INVALID_COMMIT_WELCOME, {"transition_id": transition})]
            return answers + self.new_group(dave.get_max_supported_protocol_version())
        return self.prepare(transition, self.session.get_protocol_version())

    def prepare(self, transition, version):
        """The others' new keys are accepted from now on, besides the old ones. One's own is used from op 22 on."""
        for user in self.known - {self.user}:
            decryptor = self.decryptors.setdefault(user, dave.Decryptor())
            decryptor.transition_to_passthrough_mode(version == 0)
            ratchet = self.session.get_key_ratchet(user) if version else None
            if ratchet is not None:
                decryptor.transition_to_key_ratchet(ratchet)
        self.prepared[transition] = version
        if transition == AT_ONCE:
            self.execute(transition)
            return []
        return [(TRANSITION_READY, {"transition_id": transition})]

    def execute(self, transition):
        version = self.prepared.pop(transition, None)
        if version is None:
            return
        if version == 0:
            self.session.reset()
        self.encryptor.set_passthrough_mode(version == 0)
        self.encryptor.set_key_ratchet(self.session.get_key_ratchet(self.user) if version else None)
        self.executed.append(transition)
        self.on_executed()

    def encrypt(self, opus):
        """None while there is no key: the frame has to wait."""
        if not self.encryptor.has_key_ratchet():
            return None
        return self.encryptor.encrypt(dave.MediaType.audio, self.ssrc, opus)

    def encrypt_picture(self, picture):
        """The same of an access unit of H.264, start codes and all."""
        if not self.encryptor.has_key_ratchet():
            return None
        return self.encryptor.encrypt(dave.MediaType.video, self.ssrc + 1, picture)

    def decrypt(self, user, frame, media=dave.MediaType.audio):
        """None when no key fits."""
        decryptor = self.decryptors.get(user)
        return decryptor and decryptor.decrypt(media, frame)

    def decrypt_picture(self, user, picture):
        return self.decrypt(user, picture, dave.MediaType.video)
