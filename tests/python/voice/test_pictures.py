"""Whether the driver encrypts pictures as Discord's own library does, in both directions, over what libx264 makes.

The driver's encryption and libdave's are two members of one call of the simulated Discord; pictures go from the one to the
other by hand.
"""

from voice.end_to_end import MARKER
from voice.pictures import film, is_key, kind, units
from voice.sealer import DriversEndToEnd
from voice.test_independent_judge import Judged
from voice.waiting import until

DRIVER, MEMBER, SIMULATED = "500", "600", "700"

#: Twelve groups of pictures of a second each.
SECONDS = 12

#: Every so many pictures one is offered with one bit changed first.
CHANGED_EVERY = 10


class PicturesTest(Judged):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.driver = await self.call.member_joins(DRIVER, end_to_end=DriversEndToEnd)
        self.addCleanup(self.driver.dave.stop)
        self.member = await self.call.member_joins(MEMBER)
        await self.in_one_group()

    async def in_one_group(self):
        await self.call.in_the_group(self.member)
        await until(lambda: self.driver.dave.may_send, "the driver has a key", self.driver.tasks)
        await until(self.each_opens_the_others_sound, "both are in one group", self.member.tasks + self.driver.tasks)

    def each_opens_the_others_sound(self):
        return all(
            hearer.dave.decrypt(speaker.user, speaker.dave.encrypt(b"\xf8 sound")) == b"\xf8 sound"
            for speaker, hearer in ((self.driver, self.member), (self.member, self.driver))
        )

    def judge(self, speaker, hearer, pictures):
        """Every picture is sealed, looks to a packetizer as before, is opened as it was, and not when it was changed."""
        for number, picture in enumerate(pictures):
            sealed = speaker.dave.encrypt_picture(picture)
            self.assert_sealed(picture, sealed)
            if number % CHANGED_EVERY == 0:
                changed = bytearray(sealed)
                changed[-len(MARKER) - 40] ^= 1
                self.assertIsNone(hearer.dave.decrypt_picture(speaker.user, bytes(changed)))
            self.assertEqual(hearer.dave.decrypt_picture(speaker.user, sealed), picture, f"picture {number}")

    def assert_sealed(self, picture, sealed):
        self.assertTrue(sealed.endswith(MARKER))
        before, after = units(picture), units(sealed)
        self.assertEqual([unit[0] for unit in before], [unit[0] for unit in after])
        self.assertNotIn(before[-1][-16:], sealed)

    async def test_every_picture_of_a_film_both_ways(self):
        for kbit, size in ((2500, "1280x720"), (350, "426x240")):
            pictures = film(SECONDS, kbit, size)
            self.assertEqual(len(pictures), 24 * SECONDS)
            self.assertEqual(sum(map(is_key, pictures)), SECONDS)
            self.judge(self.driver, self.member, pictures)
            self.judge(self.member, self.driver, pictures)

    async def test_pictures_of_every_epoch(self):
        pictures = film(SECONDS, 2500)
        for change in ("join_member", "leave_member", "join_member", "leave_member"):
            executed = [len(one.dave.executed) for one in (self.driver, self.member)]
            await self.call.does(change, user=SIMULATED)
            for one, before in zip((self.driver, self.member), executed):
                await until(lambda: len(one.dave.executed) > before, "the group has changed", one.tasks)
            self.judge(self.driver, self.member, pictures[:48])
            self.judge(self.member, self.driver, pictures[:48])

    async def test_what_pictures_begin_with_does_not_matter(self):
        """Pictures as short as they come, and such whose sealed bytes look like start codes."""
        key = film(SECONDS, 350, "426x240")[0]
        head = key[: key.index(units(key)[-1])]
        self.assertEqual(kind(units(key)[-1]), 5)
        short = [head + units(key)[-1][:length] + b"\x80" for length in range(24, 200)]
        self.judge(self.driver, self.member, [picture for picture in short for _ in range(3)])
