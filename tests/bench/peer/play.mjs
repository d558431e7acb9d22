// Plays films with the media half of npm's @dank074/discord-video-stream: `orb-bench golive` measures it beside Orb.
//
// It is the package's own streamLivestreamVideo, with the ffmpeg that it starts itself, on a connection of its own that
// was never opened: pictures and sound become RTP packets and are encrypted, and what would put a packet into a socket is
// replaced by nothing. Pictures are stamped when they are handed to the connection. Nothing is dialled; the only sockets
// are the two Unix ones between ffmpeg and the package.
//
// Orders are lines on standard input: `play ffmpeg URL` and `play timer URL` (which of its two ways of pacing, the first
// being its default), `stop`; the end of input ends it. Answers are JSON lines on standard output: `ready`, `first` (ms
// from play to the first picture), `stopped` (all stamps of what was played), `failed`.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import peer from '@dank074/discord-video-stream'

const require = createRequire(import.meta.url)
const manifest = require.resolve('@dank074/discord-video-stream/package.json')
const { version, license } = JSON.parse(readFileSync(manifest))

const STREAM = {
  width: 1280,
  height: 720,
  fps: 24,
  bitrateKbps: 2500,
  maxBitrateKbps: 2500,
  videoCodec: 'H264',
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)

let playing

function play(pacedBy, url) {
  const asked = process.hrtime.bigint()
  const sinceAsked = () => Number(process.hrtime.bigint() - asked) / 1e6
  // A play has a connection of its own: what an earlier one still had in its pipes is not counted as this one's.
  const played = { pictures_ms: [], picture_bytes: 0, sound_frames: 0, packets: 0, opus: '', command: '' }
  const options = { ...STREAM, readAtNativeFps: pacedBy === 'ffmpeg' }
  const connection = new peer.StreamConnection('1', '2', '3', options, () => {})
  // What Discord would have told.
  connection.secretkey = new Uint8Array(randomBytes(32))
  const { udp } = connection
  udp.audioPacketizer.ssrc = 1
  udp.videoPacketizer.ssrc = 2
  udp.ready = true
  udp.sendPacket = async () => {
    played.packets += 1
  }
  const { sendVideoFrame, sendAudioFrame } = udp
  udp.sendVideoFrame = (picture) => {
    const at = sinceAsked()
    played.pictures_ms.push(at)
    played.picture_bytes += picture.length
    if (played.pictures_ms.length === 1) say({ first: at })
    sendVideoFrame.call(udp, picture)
  }
  udp.sendAudioFrame = (frame) => {
    played.sound_frames += 1
    sendAudioFrame.call(udp, frame)
  }
  const ended = peer.streamLivestreamVideo(url, udp).catch(String)
  const command = peer.command
  command?.on('start', (line) => {
    played.command = line.replace(url, 'URL')
  })
  playing = { played, command, ended, stopping: false }
  const started = playing
  // Ended by itself: the film was too short, or it cannot be played.
  ended.then((outcome) => started.stopping || say({ failed: outcome }))
}

async function stop() {
  const { played, command, ended } = playing
  playing.stopping = true
  command?.kill('SIGKILL')
  await ended
  played.opus = require('prism-media').opus.Encoder.type ?? 'none'
  say({ stopped: played })
}

// Its encryption is loaded in the background.
await require('libsodium-wrappers').ready
say({ ready: { version, license, node: process.version } })
for await (const line of createInterface({ input: process.stdin })) {
  const [order, pacedBy, url] = line.split(' ')
  if (order === 'play') play(pacedBy, url)
  else if (order === 'stop') await stop()
}
if (playing) {
  playing.stopping = true
  playing.command?.kill('SIGKILL')
}
process.exit()
