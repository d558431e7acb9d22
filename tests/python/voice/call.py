"""One call of the simulated Discord: the project's driver, members with libdave, and what they heard of each other."""

import itertools

import requests

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

    async def member_joins(self, user, mode=AES, commits=True):
        member = await Member.join(self.credentials(user), self.sim.ca, mode, commits)
        self.test.addAsyncCleanup(member.leave)
        return member

    async def member_leaves(self, member):
        await member.stop_speaking()
        await member.leave()
        requests.delete(
            f"{self.sim.url}/_sim/voice", json={"guild": self.guild, "user": member.user}, timeout=10
        ).raise_for_status()

    async def in_the_group(self, member):
        await until(lambda: member.dave.executed, "the member is in the group", member.tasks)

    async def speaks(self, member):
        await member.begin_to_speak(lambda: self.speaker.knows(member.user))

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
        for member in members:
            await member.stop_speaking()
        sent = await self.speaker.pause()
        last = counted(sent - 1)
        for member in members:
            await until(lambda m=member: any(one.opus == last for one in of_driver(m)), "the last frame is heard")
            last_of_member = counted(member.sent - 1)
            heard = lambda m=member, frame=last_of_member: any(one.opus == frame for one in self.of_member(m))
            await until(heard, "the member's last frame is heard")
        return sent

    # The judgement

    def assert_libdave_heard_all(self, member, until_frame, lost=0):
        """No frame of the driver was in the clear; libdave decrypted each one that the driver sent from the first of
        the member's epochs on to `until_frame`, byte for byte and in order. Answers which was the first."""
        test, packets = self.test, of_driver(member)
        test.assertEqual([packet for packet in packets if packet.in_the_clear], [])
        test.assertEqual(member.dave.failures, [])
        first = next(at for at, packet in enumerate(packets) if packet.opus is not None)
        # What came before is of an epoch that the member has no keys of: it was not in the group.
        numbers = [None if packet.opus is None else number_of(packet.opus) for packet in packets[first:]]
        expected = list(range(numbers[0], until_frame))
        if lost:
            missing = [number for number in expected if number not in numbers]
            test.assertLessEqual(len(missing), lost, missing)
            test.assertEqual([number for number in numbers if number is not None], sorted(set(expected) - set(missing)))
        else:
            test.assertEqual(numbers, expected)
        changed = [packet for packet in packets[first:] if packet.refused_when_changed is not None]
        test.assertTrue(changed and all(packet.refused_when_changed for packet in changed))
        return numbers[0]

    def assert_driver_heard_all(self, *visits):
        """The driver decrypted every frame of the member, byte for byte and in order. `visits`: the same user's
        connections, one after the other."""
        heard = [packet.opus for packet in self.of_member(visits[0])]
        expected = [counted(number) for visit in visits for number in range(visit.sent)]
        self.test.assertEqual(len(heard), len(expected))
        self.test.assertEqual(heard, expected)


def of_driver(member):
    """The driver's packets that the member got, without silence."""
    return [packet for packet in member.received if packet.user == DRIVER and packet.opus != SILENCE]
