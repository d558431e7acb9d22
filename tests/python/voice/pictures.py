"""Pictures as the worker sends them: access units of H.264 in Annex B form, made by libx264."""

import functools
import subprocess

START_CODE = b"\x00\x00\x01"
SLICE, IDR_SLICE, SEI, SPS, PPS, DELIMITER = 1, 5, 6, 7, 8, 9

#: What a packetizer takes of a picture: all others are left out before it.
SENT = {SLICE, IDR_SLICE, SPS, PPS}

ENCODER = (
    "-c:v libx264 -preset superfast -bf 0 -g 24 -keyint_min 24 -sc_threshold 0 -pix_fmt yuv420p"
    " -x264-params slices=1:sliced-threads=0:aud=1 -f h264 pipe:1"
)


@functools.cache
def film(seconds, kbit, size="1280x720"):
    """A film of so many seconds with noise in it, so that its pictures differ in size; a list of access units."""
    source = f"testsrc2=size={size}:rate=24:duration={seconds},noise=alls=12:allf=t"
    rate = f"-b:v {kbit}k -maxrate {kbit}k -bufsize {kbit}k"
    command = f"ffmpeg -v error -nostdin -f lavfi -i {source} {rate} {ENCODER}"
    stream = subprocess.run(command.split(), stdout=subprocess.PIPE, check=True).stdout
    pictures = []
    for unit in units(stream):
        if kind(unit) == DELIMITER:
            pictures.append(b"")
        elif kind(unit) in SENT:
            pictures[-1] += b"\x00" + START_CODE + unit
    return pictures


def units(stream):
    """The NAL units between start codes, without them."""
    found = stream.split(START_CODE)[1:]
    # A zero in front of a start code belongs to that.
    return [unit[:-1] if unit.endswith(b"\x00") else unit for unit in found]


def kind(unit):
    return unit[0] & 0x1F


def is_key(picture):
    return IDR_SLICE in map(kind, units(picture))
