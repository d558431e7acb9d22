// Plays films with the media half of npm's @dank074/discord-video-stream: `orb-bench golive` measures it beside Orb.
//
// It is the package's own streamLivestreamVideo with the ffmpeg that it starts itself. Only what hands a whole picture or
// sound frame to the connection is replaced: pictures are stamped there and go nowhere. No RTP, no encryption, no socket
// but the two Unix ones between ffmpeg and the package; nothing is dialled.
//
// Orders are lines on standard input: `play ffmpeg URL` and `play timer URL` (which of its two ways of pacing, the first
// being its default), `stop`; the end of input ends it. Answers are JSON lines on standard output: `ready`, `first` (ms
// from play to the first picture), `stopped` (all stamps of what was played), `failed`.
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
  // Below: the package's defaults.
  h26xPreset: 'ultrafast',
  hardwareAcceleratedDecoding: false,
  rtcpSenderReportEnabled: true,
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)

let playing

function play(pacedBy, url) {
  const asked = process.hrtime.bigint()
  const sinceAsked = () => Number(process.hrtime.bigint() - asked) / 1e6
  // A play has a connection of its own: what an earlier one still had in its pipes is not counted as this one's.
  const played = { pictures_ms: [], picture_bytes: 0, sound_frames: 0, opus: '', command: '' }
  const connection = {
    mediaConnection: { streamOptions: { ...STREAM, readAtNativeFps: pacedBy === 'ffmpeg' } },
    sendVideoFrame(picture) {
      const at = sinceAsked()
      played.pictures_ms.push(at)
      played.picture_bytes += picture.length
      if (played.pictures_ms.length === 1) say({ first: at })
    },
    sendAudioFrame() {
      played.sound_frames += 1
    },
  }
  const ended = peer.streamLivestreamVideo(url, connection).catch(String)
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
