//! Paths that begin where no receiver can.

use super::{super::catch_up::AHEAD, *};

impl Stage {
    /// A path in place of the present one.
    fn next_path(&mut self) {
        let mut next = Self::begun_at(self.start);
        next.media.begin_after(self.media.take_group());
        (self.media, self.log) = (next.media, next.log);
    }

    /// Three pictures of a group went over a path, and another path takes its place.
    fn in_the_middle() -> Self {
        let mut stage = Self::new();
        stage.give([
            stage.picture("a", 0, true),
            stage.picture("b", 40, false),
            stage.picture("c", 80, false),
        ]);
        stage.turn(80);
        stage.film.sent.lock().unwrap().clear();
        stage.next_path();
        stage
    }
}

#[test]
fn a_path_that_begins_in_the_middle_of_a_group_is_led_up_to_it() {
    let mut stage = Stage::in_the_middle();
    stage.turn(100);
    assert!(stage.sent().is_empty(), "not before there is a picture");
    stage.give([stage.picture("d", 120, false), NextPicture::Idle]);
    stage.turn(120);
    let sent = std::mem::take(&mut stage.log().sent);
    let names: Vec<_> = sent.iter().map(|(.., data)| data[0]).collect();
    assert_eq!(names, *b"abcd");
    let times: Vec<_> = sent.iter().map(|(_, time, ..)| time - 2000).collect();
    let present = 120 * 90;
    assert_eq!(times, [present - 27, present - 18, present - 9, present]);
    let sent = std::mem::take(&mut *stage.film.sent.lock().unwrap());
    assert_eq!(sent, [Duration::ZERO], "of the source's, this one");
    let counts = stage.media.counts();
    assert_eq!((counts.pictures, counts.pictures_again), (4, 3));

    // And so is the one after that.
    stage.next_path();
    stage.give([stage.picture("e", 160, false)]);
    stage.turn(160);
    assert_eq!(stage.sent(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn an_idr_picture_needs_nothing_before_it() {
    let mut stage = Stage::in_the_middle();
    stage.give([
        stage.picture("d", 120, true),
        stage.picture("e", 160, false),
    ]);
    stage.turn(160);
    assert_eq!(stage.sent(), ["d", "e"]);
    assert_eq!(stage.media.counts().pictures_again, 0);
}

#[test]
fn who_catches_up_leaves_room_for_an_idr_picture_and_ends_with_it() {
    let mut stage = Stage::in_the_middle();
    stage.log().waiting = AHEAD + 1;
    stage.give([stage.picture("d", 120, false), NextPicture::Idle]);
    assert_eq!(stage.turn(120), Some(120 * MS + NO_ROOM));
    stage.log().waiting = 0;
    stage.turn(125);
    assert_eq!(stage.sent(), ["a", "b", "c", "d"]);

    let mut stage = Stage::in_the_middle();
    stage.log().waiting = AHEAD + 1;
    stage.give([
        stage.picture("d", 120, false),
        stage.picture("e", 160, true),
        stage.picture("f", 200, false),
    ]);
    stage.turn(200);
    assert_eq!(stage.sent(), ["e", "f"]);
    let counts = stage.media.counts();
    assert_eq!((counts.pictures_again, counts.pictures_dropped), (0, 1));
}

#[test]
fn who_does_not_catch_up_begins_with_the_next_idr_picture() {
    let mut stage = Stage::in_the_middle();
    stage.give([stage.picture("d", 120, false), NextPicture::Idle]);
    stage.log().waiting = AHEAD + 1;
    stage.turn(120);
    stage.log().waiting = 0;
    stage.give([stage.picture("e", 1_100, false), NextPicture::Idle]);
    stage.turn(1_121);
    assert!(stage.sent().is_empty());
    stage.give([
        stage.picture("f", 1_140, false),
        stage.picture("g", 1_180, true),
    ]);
    stage.turn(1_180);
    assert_eq!(stage.sent(), ["g"]);
    assert_eq!(stage.media.counts().pictures_dropped, 3);
}

#[test]
fn pictures_that_were_taken_back_are_not_caught_up_with() {
    let mut stage = Stage::in_the_middle();
    stage.give([stage.picture("d", 120, false), NextPicture::Idle]);
    stage.log().waiting = AHEAD + 1;
    stage.turn(120);
    stage.media.announce(false, stage.start);
    stage.log().waiting = 0;
    stage.media.announce(true, stage.start);
    stage.give([
        stage.picture("e", 160, false),
        stage.picture("f", 200, true),
    ]);
    stage.turn(300);
    assert_eq!(stage.sent(), ["f"]);
}
