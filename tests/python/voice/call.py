"""One call of the simulated Discord: the project's driver, members with libdave, and what they heard of each other."""

import itertools

import requests

from voice.end_to_end import EndToEnd
from voice.frames import SILENCE, counted, number_of
from voice.member import Member
from voice.speaker import Speaker
from voice.waiting import until

DRIVER = "100"
CHANNEL = "71"

#: Every voice server offers both.
AES = "aead_aes256_gcm_rtpsize"
XCHACHA = "aead_xchacha20_poly1305_rtpsize"

#: Half a second of sound: enough for every packet that was on its way to be there.
A_WHILE = 25

#: Packets that may be on their way when keys change: 250 ms, as long as the simulator gives them.
IN_FLIGHT = 12

guild_numbers = itertools.count(7000)


class Call:
    """Ends with the test that made it."""

    def __init__(self, test, sim):
        self.test, self.sim = test, sim
        self.guild = str(next(guild_numbers))
        self.speaker = None

    def post(self, path, **body):
        answer = requests.post(f"{self.sim.url}/_sim/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def fault(self, kind, **fields):
        self.test.assertGreater(self.post("fault", kind=kind, guild=self.guild, **fields)["hits"], 0)

    def credentials(self, user):
        return self.post("voice", guild=self.guild, channel=CHANNEL, user=user)

    async def driver_joins(self):
        self.speaker = await Speaker.start(self.credentials(DRIVER), self.sim.ca)
        self.test.addAsyncCleanup(self.speaker.stop)

    async def member_joins(self, user, mode=AES, commits=True, end_to_end=EndToEnd):
        member = await Member.join(self.credentials(user), self.sim.ca, mode, commits, end_to_end)
        self.test.addAsyncCleanup(member.leave)
        return member

    async def member_leaves(self, member):
        await self.is_silent(member)
        await member.leave()
        requests.delete(
            f"{self.sim.url}/_sim/voice", json={"guild": self.guild, "user": member.user}, timeout=10
        ).raise_for_status()

    async def in_the_group(self, member):
        await until(lambda: member.dave.executed, "the member is in the group", member.tasks)

    async def speaks(self, member):
        await member.begin_to_speak(lambda: self.speaker.knows(member))

    async def changes(self, member, change):
        """Does something to the group; until it has changed, and sound flows again. Answers what `change` answers."""
        executed = len(member.dave.executed)
        result = await change
        await until(lambda: len(member.dave.executed) > executed, "the group has changed", member.tasks)
        await self.both_hear(member)
        return result

    async def does(self, what, **fields):
        """A fault of the group."""
        self.fault("dave", do=what, **fields)

    async def both_hear(self, member):
        """Sound flows for a while, both ways."""
        heard_by_member, heard_by_driver = len(of_driver(member)), len(self.of_member(member))

        def flows():
            new = of_driver(member)[heard_by_member:]
            decrypted = [packet for packet in new if packet.opus is not None]
            return len(decrypted) >= A_WHILE and len(self.of_member(member)) >= heard_by_driver + A_WHILE

        await until(flows, "both hear each other", [*member.tasks, self.speaker.reading])

    def of_member(self, member):
        """The member's packets that the driver got, without silence."""
        return [heard for heard in self.speaker.heard if heard.user == member.user and heard.opus != SILENCE]

    async def all_sent_is_heard(self, *members):
        """Both fall silent, and what was sent arrives. Answers how many frames the driver has sent."""
        sent = await self.speaker.pause()
        for member in members:
            await until(lambda m=member: is_last(of_driver(m), sent), "the driver's last frame is heard")
            await self.is_silent(member)
        return sent

    async def is_silent(self, member):
        await member.stop_speaking()
        await until(lambda: is_last(self.of_member(member), member.sent), "the member's last frame is heard")

    # The judgement

    def assert_libdave_heard_all(self, member, sent):
        """No frame of the driver was in the clear, and libdave decrypted each one from the first of the member's
        epochs on, byte for byte and in order, up to the last of `sent`. Answers which was the first."""
        test, packets = self.test, of_driver(member)
        test.assertEqual([packet for packet in packets if packet.in_the_clear], [])
        test.assertEqual(member.dave.failures, [])
        first = next(at for at, packet in enumerate(packets) if packet.opus is not None)
        # What came before is of an epoch that the member has no keys of: it was not in the group.
        late = [packet for packet in packets[:first] if packet.executed]
        test.assertLessEqual(len(late), IN_FLIGHT)
        numbers = [packet.opus and number_of(packet.opus) for packet in packets[first:]]
        test.assertEqual(numbers, list(range(numbers[0], sent)))
        self.assert_no_packet_is_missing(member)
        changed = [packet.refused_when_changed for packet in packets[first:]]
        test.assertIn(True, changed)
        test.assertNotIn(False, changed)
        return numbers[0]

    def assert_no_packet_is_missing(self, member):
        sequences = [packet.sequence for packet in member.received if packet.user == DRIVER]
        expected = [(sequences[0] + at) % (1 << 16) for at in range(len(sequences))]
        self.test.assertEqual(sequences, expected)

    def assert_driver_heard_all(self, *visits, lost=()):
        """The driver decrypted every frame of the member, byte for byte and in order, but those in the ranges `lost`.
        `visits`: the same user's connections, one after the other. Answers how many were lost."""
        heard = [packet.opus for packet in self.of_member(visits[0])]
        sent = [counted(number) for visit in visits for number in range(visit.sent)]
        self.test.assertEqual(len(heard), len(sent))
        may_be_lost = {number for numbers in lost for number in numbers}
        wrong = [number for number, (got, frame) in enumerate(zip(heard, sent)) if got != frame]
        self.test.assertLessEqual(set(wrong), may_be_lost)
        self.test.assertEqual({heard[number] for number in wrong} - {None}, set())
        return len(wrong)


def of_driver(member):
    """The driver's packets that the member got, without silence."""
    return [packet for packet in member.received if packet.user == DRIVER and packet.opus != SILENCE]


def is_last(heard, sent):
    return heard[-1].opus == counted(sent - 1)
