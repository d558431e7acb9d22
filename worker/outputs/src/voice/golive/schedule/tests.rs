use super::*;

const MS: Duration = Duration::from_millis(1);

/// Sound that is sent tick by tick, and pictures that go by it.
struct Bench {
    schedule: Schedule,
    start: Instant,
    sound: Option<Sound>,
}

impl Bench {
    fn new() -> Self {
        Self {
            schedule: Schedule::default(),
            // Pictures that lead in get times before it.
            start: Instant::now() + Duration::from_mins(1),
            sound: None,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// A sound frame that is heard at `heard_ms`, and went out `late` after it was due.
    fn hears(&mut self, pts_ms: u64, heard_ms: u64, late: Duration) {
        let due = self.at(heard_ms).checked_sub(DECODED_LATE);
        let due = due.expect("it begins a minute from now");
        let last = Position {
            media_ms: pts_ms + FRAME_MS,
            sent_at: due + late,
            due,
        };
        let first_ms = self.sound.map_or(pts_ms, |sound| sound.first_ms);
        self.sound = Some(Sound { last, first_ms });
    }

    fn when(&mut self, pts_ms: u64, now_ms: u64) -> When {
        let now = self.at(now_ms);
        self.schedule.when(self.sound, pts_ms, now)
    }

    fn goes(&mut self, pts_ms: u64, now_ms: u64, due_ms: u64) {
        let due = self.at(due_ms);
        let leads_in = false;
        assert_eq!(self.when(pts_ms, now_ms), When::Now { due, leads_in });
    }

    fn waits(&mut self, pts_ms: u64, now_ms: u64, until_ms: u64) {
        let until = self.at(until_ms);
        assert_eq!(self.when(pts_ms, now_ms), When::At(until));
    }
}

#[test]
fn a_picture_is_due_so_long_after_the_sounds_tick_as_it_is_in_the_film() {
    let mut bench = Bench::new();
    bench.hears(90_000, 0, Duration::ZERO);
    bench.goes(90_000, 0, 0);
    bench.waits(90_017, 1, 17);
    bench.goes(90_017, 17, 17);
}

#[test]
fn a_picture_is_shown_when_its_sound_comes_out_of_the_decoder() {
    let mut schedule = Schedule::default();
    let sent = Instant::now();
    let last = Position {
        media_ms: 40 + FRAME_MS,
        sent_at: sent,
        due: sent,
    };
    let sound = Some(Sound { last, first_ms: 0 });
    let due = sent + Duration::from_micros(6_500);
    assert_eq!(schedule.when(sound, 40, sent), When::At(due));
}

#[test]
fn how_late_the_sound_left_moves_no_picture() {
    let mut bench = Bench::new();
    bench.hears(0, 0, 7 * MS);
    bench.goes(13, 13, 13);
}

#[test]
fn no_picture_leaves_before_the_sound_of_its_time() {
    let mut bench = Bench::new();
    bench.waits(0, 0, 5);
    bench.hears(0, 0, Duration::ZERO);
    bench.waits(20, 5, 20);
    // It is late.
    bench.waits(20, 20, 25);
    bench.hears(20, 20, 7 * MS);
    bench.goes(20, 25, 20);
}

#[test]
fn while_the_sound_stands_pictures_stand_and_then_go_on_in_step() {
    let mut bench = Bench::new();
    bench.hears(0, 0, Duration::ZERO);
    bench.goes(0, 0, 0);
    // Starved, paused or cut: nobody says which.
    for now in [42, 60, 500, 9_000] {
        bench.waits(41, now, now + 5);
    }
    bench.hears(20, 10_000, Duration::ZERO);
    bench.waits(41, 10_000, 10_021);
    bench.hears(40, 10_020, Duration::ZERO);
    bench.goes(41, 10_021, 10_021);
}

#[test]
fn a_picture_that_was_due_when_the_sound_stopped_comes_with_its_next_frame() {
    let mut bench = Bench::new();
    bench.hears(1_480, 0, Duration::ZERO);
    // A pause at 5 ms: nobody asks until it ends.
    bench.waits(1_487, 3_000, 3_005);
    bench.hears(1_500, 3_003, Duration::ZERO);
    bench.goes(1_487, 3_005, 2_990);
    bench.goes(1_500, 3_005, 3_003);
}

#[test]
fn a_late_picture_goes_at_once_with_its_own_time() {
    let mut bench = Bench::new();
    bench.hears(0, 0, Duration::ZERO);
    bench.goes(0, 0, 0);
    bench.hears(400, 400, Duration::ZERO);
    bench.goes(41, 405, 41);
    bench.goes(83, 405, 83);
    bench.waits(417, 405, 417);
}

#[test]
fn what_leads_in_goes_at_once_in_order_and_before_the_beginning() {
    let mut bench = Bench::new();
    bench.hears(0, 0, Duration::ZERO);
    bench.goes(0, 0, 0);
    // A seek, whose first sound is sent half a second later; the key frame is 9 s before it.
    bench.sound = None;
    bench.hears(60_000, 500, Duration::ZERO);
    let mut last = bench.at(0);
    for picture in 0..225 {
        let pts_ms = 51_000 + picture * 40;
        let When::Now { due, leads_in } = bench.when(pts_ms, 510) else {
            panic!("{pts_ms} waits");
        };
        assert!(leads_in && due > last && due < bench.at(500), "{pts_ms}");
        last = due;
    }
    bench.goes(60_000, 520, 500);
}

#[test]
fn pictures_and_sound_are_never_out_of_step_however_their_times_are_rounded() {
    let mut bench = Bench::new();
    let mut now = 0;
    // 23.976 a second, in whole ms, against sound whose times are off by one now and then.
    let pictures: Vec<u64> = (0..2_000_u64).map(|n| (n * 1_001 + 12) / 24).collect();
    let mut pictures = pictures.into_iter().peekable();
    let mut last_due = None;
    for tick in 0..4_500_u64 {
        let jitter = u64::from(tick % 7 == 3);
        bench.hears(tick * 20 + jitter, tick * 20, Duration::ZERO);
        while now < (tick + 1) * 20
            && let Some(pts_ms) = pictures.peek().copied()
        {
            match bench.when(pts_ms, now) {
                When::Now { due, .. } => {
                    pictures.next();
                    let ideal = bench.at(pts_ms);
                    let skew = due.max(ideal) - due.min(ideal);
                    assert!(skew <= MS, "{pts_ms}: {skew:?}");
                    assert!(last_due < Some(due));
                    last_due = Some(due);
                    assert!(bench.at(now) - due <= 2 * MS, "{pts_ms} at {now}");
                }
                When::At(at) => {
                    let wait = at - bench.start;
                    now = (wait.as_micros().div_ceil(1_000) as u64).max(now);
                    if bench.at(now) > bench.at((tick + 1) * 20) {
                        break;
                    }
                }
            }
        }
        now = now.max((tick + 1) * 20);
    }
    assert!(pictures.peek().is_none());
}
