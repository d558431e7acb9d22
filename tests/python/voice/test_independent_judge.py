"""Whether the project's voice driver speaks DAVE as Discord's own library does, in both directions.

The driver and the members, who have libdave, are in one call of the simulated Discord. All of them send frames that say
which they are, so that every one that is lost, changed or in the clear is known.
"""

import unittest

import processes
from voice.call import AES, DRIVER, XCHACHA, Call
from voice.waiting import until

MEMBER, OTHER_MEMBER, SIMULATED = "200", "300", "400"


class IndependentJudgeTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = processes.DiscordSim(processes.folder() / "voice")
        cls.addClassCleanup(cls.sim.stop)

    async def test_the_driver_founds_the_group_and_libdave_is_welcomed(self):
        call = Call(self, self.sim)
        await call.driver_joins()
        await call.speaker.until(call.speaker.encrypted, "it founded the group")
        await self.judge(call, await call.member_joins(MEMBER, AES))

    async def test_libdave_founds_the_group_and_the_driver_is_welcomed(self):
        call = Call(self, self.sim)
        member = await call.member_joins(MEMBER, XCHACHA)
        await call.in_the_group(member)
        self.assertEqual(member.dave.own_commits, 1)
        await call.driver_joins()
        first = await self.judge(call, member)
        self.assertEqual(first, 0, "the member was in the group before the driver")

    async def test_somebody_else_founds_the_group_and_both_are_welcomed(self):
        call = Call(self, self.sim)
        member = await call.member_joins(MEMBER, XCHACHA, commits=False)
        await call.in_the_group(member)
        await call.driver_joins()
        await self.judge(call, member)
        self.assertEqual(member.dave.own_commits, 0)

    async def judge(self, call, *members):
        for member in members:
            await call.in_the_group(member)
            await call.speaks(member)
            await call.both_hear(member)
        sent = await call.all_sent_is_heard(*members)
        for member in members:
            first = call.assert_libdave_heard_all(member, sent)
            call.assert_driver_heard_all(member)
        return first

    async def test_members_come_and_go_without_a_lost_frame(self):
        call = Call(self, self.sim)
        await call.driver_joins()
        member = await call.member_joins(MEMBER)
        await call.in_the_group(member)
        await call.speaks(member)

        async def changes(change):
            executed = len(member.dave.executed)
            result = await change
            await until(lambda: len(member.dave.executed) > executed, "the group has changed", member.tasks)
            await call.both_hear(member)
            return result

        async def simulated(do):
            call.fault("dave", do=do, user=SIMULATED)

        await changes(simulated("join_member"))
        await changes(simulated("leave_member"))
        other = await changes(call.member_joins(OTHER_MEMBER, XCHACHA))
        await call.in_the_group(other)
        await call.speaks(other)
        await call.both_hear(other)
        await changes(call.member_leaves(other))
        first_visit = other
        other = await changes(call.member_joins(OTHER_MEMBER, AES))
        await call.in_the_group(other)
        await call.speaks(other)
        await call.both_hear(other)
        sent = await call.all_sent_is_heard(member, other)

        call.assert_libdave_heard_all(member, sent)
        call.assert_libdave_heard_all(other, sent)
        call.assert_driver_heard_all(member)
        call.assert_driver_heard_all(first_visit, other)
