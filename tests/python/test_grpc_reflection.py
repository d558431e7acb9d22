"""`orb.v1` over gRPC, by reflection alone: no code generated from the project's protos, no copy of them."""

import threading
import time
import unittest

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import processes

SESSION_SERVICE = "orb.v1.SessionService"
CALL_TIMEOUT_SECONDS = 30
PLAYING_WITHIN_SECONDS = 60


class ReflectedService:
    """The methods of one service, as its server describes it: `service.call("Get", {"session_id": "1"})`."""

    def __init__(self, channel, pool, name, metadata):
        self.channel = channel
        self.metadata = metadata
        self.descriptor = pool.FindServiceByName(name)

    def call(self, method, fields):
        return self.prepared(method, self.channel.unary_unary)(
            self.request(method, fields), metadata=self.metadata, timeout=CALL_TIMEOUT_SECONDS
        )

    def stream(self, method, fields):
        """Answers of a server stream. It has no deadline: `cancel` ends it."""
        return self.prepared(method, self.channel.unary_stream)(self.request(method, fields), metadata=self.metadata)

    def prepared(self, method, kind):
        answer = message_factory.GetMessageClass(self.method(method).output_type)
        return kind(
            f"/{self.descriptor.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def request(self, method, fields):
        return message_factory.GetMessageClass(self.method(method).input_type)(**fields)

    def method(self, name):
        return self.descriptor.methods_by_name[name]


def enum_name(message, field):
    """`PLAYBACK_STATE_PLAYING` rather than 3."""
    return message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(message, field)].name


class Watcher:
    """Collects what `Watch` sends, until it is ended."""

    def __init__(self, service, session_id):
        self.seen = []
        self.changed = threading.Condition()
        self.error = None
        self.answers = service.stream("Watch", {"session_id": session_id})
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        try:
            for answer in self.answers:
                with self.changed:
                    self.seen.append((time.monotonic(), answer.session))
                    self.changed.notify_all()
        except grpc.RpcError as error:
            self.error = error
        with self.changed:
            self.changed.notify_all()

    def until(self, condition, what):
        """The first session seen, from now or before, for which `condition` holds."""
        with self.changed:
            found = lambda: next((session for _, session in self.seen if condition(session)), None)
            if not self.changed.wait_for(lambda: found() or self.error, PLAYING_WITHIN_SECONDS):
                raise AssertionError(f"the stream did not show: {what}; last: {self.seen[-1:]}")
            if found() is None:
                raise AssertionError(f"the stream ended before it showed: {what}: {self.error}")
            return found()

    def end(self):
        self.answers.cancel()
        self.thread.join(CALL_TIMEOUT_SECONDS)


class GrpcTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.orb = processes.up()
        cls.channel = grpc.insecure_channel(cls.orb.grpc_addr)
        cls.addClassCleanup(cls.channel.close)
        cls.database = ProtoReflectionDescriptorDatabase(cls.channel)
        cls.pool = descriptor_pool.DescriptorPool(cls.database)
        cls.sessions = cls.service(cls.orb.token)

    @classmethod
    def service(cls, token):
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return ReflectedService(cls.channel, cls.pool, SESSION_SERVICE, metadata)

    def item(self, entry):
        return {
            "queue_entry_id": entry,
            "item_id": "abc123",
            "source_id": "abc123",
            "title": f"Title {entry}",
            "media_type": "movie",
            "stream_url": self.orb.stream_url,
        }

    def create(self, session_id, guild_id):
        fields = {
            "session_id": session_id,
            "guild_id": guild_id,
            "voice_channel_id": "222",
            "text_channel_id": "333",
            "command_id": f"{session_id}-create",
        }
        self.addCleanup(lambda: self.sessions.call("Control", {"session_id": session_id, "stop": {}}))
        return self.sessions.call("Create", fields)

    def refused(self, call, code):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception)
        return caught.exception

    def test_reflection_lists_the_services(self):
        services = set(self.database.get_services())
        self.assertLessEqual({SESSION_SERVICE, "orb.v1.WorkerService", "grpc.health.v1.Health"}, services)

    def test_health_is_serving(self):
        health = ReflectedService(self.channel, self.pool, "grpc.health.v1.Health", [])
        for name in ("", SESSION_SERVICE):
            with self.subTest(service=name):
                self.assertEqual(enum_name(health.call("Check", {"service": name}), "status"), "SERVING")

    def test_creates_plays_and_watches(self):
        created = self.create("grpc-path", "7001")
        self.assertTrue(created.created)
        self.assertEqual(enum_name(created.session, "playback_state"), "PLAYBACK_STATE_IDLE")

        watcher = Watcher(self.sessions, "grpc-path")
        self.addCleanup(watcher.end)
        # The session as it is now, before anything changes.
        watcher.until(lambda session: session.session_id == "grpc-path", "the session now")

        played = self.sessions.call("Play", {"session_id": "grpc-path", "item": self.item(4)})
        self.assertEqual(played.session.queue_entry_id, 4)
        playing = watcher.until(
            lambda session: enum_name(session, "playback_state") == "PLAYBACK_STATE_PLAYING", "playing"
        )
        self.assertEqual(playing.current_title, "Title 4")
        watcher.until(lambda session: session.position_ms >= playing.position_ms + 3000, "3 s later")
        self.assertEqual(self.sessions.call("Get", {"session_id": "grpc-path"}).session.last_error, "")

        self.sessions.call("Control", {"session_id": "grpc-path", "seek": {"position_ms": 30_000}})
        watcher.until(lambda session: session.position_ms >= 30_000, "30 s")
        self.sessions.call("Control", {"session_id": "grpc-path", "pause": {}})
        watcher.until(lambda session: enum_name(session, "playback_state") == "PLAYBACK_STATE_PAUSED", "paused")
        self.sessions.call("Control", {"session_id": "grpc-path", "skip": {}})
        ended = watcher.until(
            lambda session: enum_name(session, "playback_state") == "PLAYBACK_STATE_ENDED", "ended"
        )
        self.assertEqual(enum_name(ended, "end_reason"), "END_REASON_SKIPPED")

        # "At least once a second while it plays", and a busy machine.
        arrivals = [
            at for at, session in watcher.seen if enum_name(session, "playback_state") == "PLAYBACK_STATE_PLAYING"
        ]
        gaps = [later - earlier for earlier, later in zip(arrivals, arrivals[1:])]
        self.assertLess(max(gaps), 2)

    def test_a_command_is_carried_out_once(self):
        self.create("grpc-once", "7002")
        again = self.create("grpc-once", "7002")
        # The first answer again, not a new look at the session.
        self.assertTrue(again.created)
        fields = {"session_id": "grpc-once", "item": self.item(1), "command_id": "grpc-once-play"}
        first = self.sessions.call("Play", fields).session
        self.sessions.call("Control", {"session_id": "grpc-once", "skip": {}})
        self.sessions.call("Play", fields)
        now = self.sessions.call("Get", {"session_id": "grpc-once"}).session
        self.assertEqual(enum_name(now, "playback_state"), "PLAYBACK_STATE_ENDED")
        self.assertEqual(now.worker_session_id, first.worker_session_id)

    def test_lists_the_sessions(self):
        self.create("grpc-list", "7003")
        listed = [session.session_id for session in self.sessions.call("List", {}).sessions]
        self.assertIn("grpc-list", listed)
        self.assertEqual(listed, sorted(listed))

    def test_no_url_is_told(self):
        self.create("grpc-url", "7004")
        self.sessions.call("Play", {"session_id": "grpc-url", "item": self.item(1)})
        # The watch output's address is the gateway's, which no caller is.
        session = self.sessions.call("Get", {"session_id": "grpc-url"}).session
        self.assertNotIn("://", str(session))

    def test_refusals(self):
        code = grpc.StatusCode
        self.create("grpc-refused", "7005")
        for what, call, expected in (
            ("unknown session", lambda: self.sessions.call("Get", {"session_id": "none"}), code.NOT_FOUND),
            (
                "nothing plays",
                lambda: self.sessions.call("Control", {"session_id": "grpc-refused", "pause": {}}),
                code.FAILED_PRECONDITION,
            ),
            (
                "no action",
                lambda: self.sessions.call("Control", {"session_id": "grpc-refused"}),
                code.INVALID_ARGUMENT,
            ),
            ("no item", lambda: self.sessions.call("Play", {"session_id": "grpc-refused"}), code.INVALID_ARGUMENT),
            (
                "a source of elsewhere",
                lambda: self.sessions.call(
                    "Play",
                    {"session_id": "grpc-refused", "item": self.item(1) | {"stream_url": "file:///etc/passwd"}},
                ),
                code.INVALID_ARGUMENT,
            ),
            ("no token", lambda: self.service(None).call("List", {}), code.UNAUTHENTICATED),
            ("wrong token", lambda: self.service("wrong").call("List", {}), code.UNAUTHENTICATED),
            (
                "other guild",
                lambda: self.sessions.call(
                    "Create",
                    {
                        "session_id": "grpc-refused",
                        "guild_id": "9",
                        "voice_channel_id": "222",
                        "text_channel_id": "333",
                    },
                ),
                code.ALREADY_EXISTS,
            ),
        ):
            with self.subTest(what):
                refusal = self.refused(call, expected)
                # google.rpc.Status with an ErrorInfo: the stable code stands in it.
                details = dict(refusal.trailing_metadata()).get("grpc-status-details-bin", b"")
                self.assertIn(b"orb.v1", details, refusal)
        state = enum_name(self.sessions.call("Get", {"session_id": "grpc-refused"}).session, "playback_state")
        self.assertEqual(state, "PLAYBACK_STATE_IDLE")


if __name__ == "__main__":
    unittest.main()
