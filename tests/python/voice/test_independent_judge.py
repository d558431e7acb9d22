"""Whether the project's voice driver speaks DAVE as Discord's own library does, in both directions.

The driver and the members, who have libdave, are in one call of the simulated Discord. All of them send frames that say
which they are, so that every one that is lost, changed or in the clear is known.
"""

import asyncio
import functools
import subprocess
import unittest

import processes
from voice.call import AES, XCHACHA, Call
from voice.waiting import until

MEMBER, OTHER_MEMBER, SIMULATED = "200", "300", "400"


class Judged(unittest.IsolatedAsyncioTestCase):
    """One simulated Discord for all tests of a class; each has a call of its own."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.sim = processes.DiscordSim(processes.folder() / cls.__name__, *cls.arguments)
        cls.addClassCleanup(cls.sim.stop)

    def setUp(self):
        self.call = Call(self, self.sim)

    async def asyncSetUp(self):
        # unittest's default logs whatever takes longer than 100 ms.
        asyncio.get_running_loop().set_debug(False)

    async def driver_and_member(self, mode):
        """The driver's group, and a member in it. Both speak."""
        await self.call.driver_joins()
        await self.call.speaker.until(self.call.speaker.encrypted, "the driver is in a group")
        member = await self.call.member_joins(MEMBER, mode)
        await self.speaks(member)
        return member

    async def speaks(self, member):
        await self.call.in_the_group(member)
        await self.call.speaks(member)
        await self.call.both_hear(member)

    async def judge(self, *members):
        """Every frame of both directions arrived whole. Answers the first of the driver's that each member heard."""
        sent = await self.call.all_sent_is_heard(*members)
        for member in members:
            self.call.assert_driver_heard_all(member)
        return [self.call.assert_libdave_heard_all(member, sent) for member in members]


class IndependentJudgeTest(Judged):
    async def test_the_driver_founds_the_group_and_libdave_is_welcomed(self):
        member = await self.driver_and_member(AES)
        await self.judge(member)
        self.assertEqual(member.dave.own_commits, 0)

    async def test_libdave_founds_the_group_and_the_driver_is_welcomed(self):
        member = await self.call.member_joins(MEMBER, XCHACHA)
        await self.call.in_the_group(member)
        self.assertEqual(member.dave.own_commits, 1)
        await self.call.driver_joins()
        await self.speaks(member)
        self.assertEqual(await self.judge(member), [0], "the member was in the group before the driver")

    async def test_somebody_else_founds_the_group_and_both_are_welcomed(self):
        member = await self.call.member_joins(MEMBER, XCHACHA, commits=False)
        await self.call.in_the_group(member)
        await self.call.driver_joins()
        await self.speaks(member)
        self.assertEqual(await self.judge(member), [0])
        self.assertEqual(member.dave.own_commits, 0)

    async def test_members_come_and_go_and_no_frame_is_lost(self):
        call, member = self.call, await self.driver_and_member(AES)
        await call.changes(member, call.does("join_member", user=SIMULATED))
        first_visit = await call.changes(member, call.member_joins(OTHER_MEMBER, XCHACHA))
        await self.speaks(first_visit)
        await call.changes(member, call.does("leave_member", user=SIMULATED))
        await call.changes(member, call.member_leaves(first_visit))
        second_visit = await call.changes(member, call.member_joins(OTHER_MEMBER, AES))
        await self.speaks(second_visit)

        sent = await call.all_sent_is_heard(member, second_visit)
        call.assert_libdave_heard_all(member, sent)
        call.assert_libdave_heard_all(second_visit, sent)
        call.assert_driver_heard_all(member)
        call.assert_driver_heard_all(first_visit, second_visit)

    async def test_libdave_leaves_the_driver_alone_and_comes_again(self):
        call, first_visit = self.call, await self.driver_and_member(XCHACHA)
        await call.member_leaves(first_visit)
        second_visit = await call.member_joins(MEMBER, AES)
        await self.speaks(second_visit)
        sent = await call.all_sent_is_heard(second_visit)
        call.assert_libdave_heard_all(second_visit, sent)
        call.assert_driver_heard_all(first_visit, second_visit)

    async def test_a_group_made_anew_loses_no_frame_of_the_driver(self):
        call, member = self.call, await self.driver_and_member(XCHACHA)
        between = []
        for change in (self.recreated, self.recreated, functools.partial(call.does, "reset")):
            begun = member.sent
            await call.changes(member, change())
            between.append(range(begun, member.sent_at_transitions[-1]))

        sent = await call.all_sent_is_heard(member)
        call.assert_libdave_heard_all(member, sent)
        # Whom the new group does not have yet, the driver's davey forgets: what such a member still sends with its old
        # keys until its own welcome is not heard. libdave keeps old keys of everybody who is in the call.
        lost = call.assert_driver_heard_all(member, lost=between)
        print(f"measured: {lost} of the member's frames lost over {len(between)} groups made anew")

    async def recreated(self):
        self.call.fault("recreate_group")


@functools.cache
def simulator_takes(option):
    text = subprocess.run([processes.BINARIES / "discord-sim", "--help"], capture_output=True, text=True, check=True)
    return option in text.stdout


class ClientsCommitTest(Judged):
    """Every commit is a client's, as on Discord; and the driver has to take the second choice of cipher."""

    arguments = ("--first-commit", "bot", "--later-commits", "bot", "--modes", XCHACHA)

    @classmethod
    def setUpClass(cls):
        for option in cls.arguments[::2]:
            if not simulator_takes(option):
                raise unittest.SkipTest(f"discord-sim has no {option}")
        super().setUpClass()

    async def test_libdave_follows_the_commits_of_the_driver(self):
        call = self.call
        await call.driver_joins()
        await call.speaker.until(call.speaker.encrypted, "the driver is in a group")
        member = await call.member_joins(MEMBER, XCHACHA, commits=False)
        await self.speaks(member)
        await call.changes(member, call.does("join_member", user=SIMULATED))
        await call.changes(member, call.does("leave_member", user=SIMULATED))
        await self.judge(member)

    async def test_the_driver_follows_the_commits_of_libdave(self):
        call, member = self.call, await self.driver_and_member(XCHACHA)
        for number, change in enumerate(("join_member", "leave_member"), member.dave.own_commits + 1):
            # Stopped, the driver cannot be first; it finds proposals and the commit of another at once.
            with call.speaker.stopped():
                call.fault("dave", do=change, user=SIMULATED)
                await until(lambda n=number: member.dave.own_commits == n, "libdave's commit wins", member.tasks)
            executed = len(member.dave.executed)
            await until(lambda n=executed: len(member.dave.executed) > n, "the transition is executed", member.tasks)
            await call.both_hear(member)
        await self.judge(member)
