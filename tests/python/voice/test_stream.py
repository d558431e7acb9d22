"""Whether what the driver sends on a Go Live stream is what Discord's own library opens: sound and picture, over WebRTC."""

import itertools
import pathlib

import processes
from voice.call import CHANNEL, DRIVER
from voice.end_to_end import MARKER
from voice.frames import counted, number_of
from voice.pictures import film
from voice.speaker import Speaker
from voice.test_independent_judge import MEMBER, Judged
from voice.viewer import Viewer
from voice.waiting import until

SECONDS, FPS = 12, 24
RTP_TICKS_A_PICTURE, RTP_TICKS_A_FRAME = 90_000 // FPS, 960

#: What pacing may move a picture's place on its clock by: none; due times are rounded to whole ticks.
ROUNDED = 1


class StreamTest(Judged):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.film = film(SECONDS, 2500)
        cls.file = processes.folder() / "stream.h264"
        pathlib.Path(cls.file).write_bytes(b"".join(cls.film))

    async def goes_live(self):
        self.call.speaker = await Speaker.start(self.stream, self.sim.ca, "--pictures", str(self.file))
        self.addAsyncCleanup(self.call.speaker.stop)

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.stream = self.call.post("stream", guild=self.call.guild, channel=CHANNEL, user=DRIVER)

    async def viewer_joins(self):
        credentials = self.call.post("watch", guild=self.call.guild, owner=DRIVER, user=MEMBER)
        viewer = await Viewer.join(credentials, self.sim.ca, None)
        self.addAsyncCleanup(viewer.leave)
        await viewer.watches()
        return viewer

    async def all_is_seen(self, viewer):
        last = self.film[-1]
        await until(lambda: viewer.pictures[-1:] and viewer.pictures[-1].frame == last, "the film ends", viewer.tasks)
        sent = await self.call.speaker.pause()
        await until(lambda: viewer.sounds[-1].frame == counted(sent - 1), "the last sound is heard", viewer.tasks)

    def judge(self, viewer):
        """All that came since it has the keys was opened, in order and byte for byte. Answers the first of each."""
        pictures = self.since_the_first_open(viewer.pictures)
        numbers = [picture.frame and self.film.index(picture.frame) for picture in pictures]
        self.assertEqual(numbers, list(range(numbers[0], len(self.film))))
        sounds = self.since_the_first_open(viewer.sounds)
        frames = [sound.frame and number_of(sound.frame) for sound in sounds]
        self.assertEqual(frames, list(range(frames[0], frames[0] + len(sounds))))

        self.assertTrue(all(one.sealed.endswith(MARKER) for one in (*viewer.pictures, *viewer.sounds)))
        self.assertEqual(viewer.dave.failures, [])
        changed = [picture.refused_when_changed for picture in pictures]
        self.assertIn(True, changed)
        self.assertNotIn(False, changed)
        self.assert_clock(pictures, RTP_TICKS_A_PICTURE)
        self.assert_frames_clock(sounds)
        self.assert_no_packet_is_missing(viewer)
        self.assertEqual(viewer.announced["streams"][0]["max_resolution"], {"type": "fixed", "width": 1280, "height": 720})
        return numbers[0], frames[0]

    def since_the_first_open(self, seen):
        return list(itertools.dropwhile(lambda one: one.frame is None, seen))

    def assert_clock(self, seen, ticks):
        for before, after in itertools.pairwise(seen):
            self.assertAlmostEqual((after.rtp_time - before.rtp_time) % (1 << 32), ticks, delta=ROUNDED)

    def assert_frames_clock(self, sounds):
        """A driver that got no processor for more than 100 ms leaves that time out, in whole frames of it."""
        for before, after in itertools.pairwise(sounds):
            ticks = (after.rtp_time - before.rtp_time) % (1 << 32)
            self.assertEqual((ticks % RTP_TICKS_A_FRAME, ticks >= RTP_TICKS_A_FRAME), (0, True), ticks)

    def assert_no_packet_is_missing(self, viewer):
        announced = viewer.announced["video_ssrc"], viewer.announced["audio_ssrc"]
        for ssrc in announced:
            sequences = viewer.sequences[ssrc]
            expected = [(sequences[0] + at) % (1 << 16) for at in range(len(sequences))]
            self.assertEqual(sequences, expected)

    async def test_who_watches_from_the_beginning_sees_all(self):
        viewer = await self.viewer_joins()
        await self.goes_live()
        await self.all_is_seen(viewer)
        self.assertEqual(self.judge(viewer), (0, 0))

    async def test_who_comes_in_the_middle_sees_the_rest(self):
        await self.goes_live()
        await self.call.speaker.until(self.call.speaker.encrypted, "the driver is in a group")
        viewer = await self.viewer_joins()
        await self.all_is_seen(viewer)
        self.judge(viewer)
