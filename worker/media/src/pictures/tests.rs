#![allow(clippy::unwrap_used)]
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;

use super::*;

const NOW: Duration = Duration::ZERO;
const DUE: bool = true;
const PATIENCE: Duration = Duration::from_secs(5);

fn picture(pts_ms: u64, entry: Entry) -> QueuedPicture {
    QueuedPicture {
        pts_ms,
        picture: Picture {
            data: Bytes::from_static(&[0; 100]),
            entry,
            reference: true,
        },
        rung: None,
    }
}

fn idr(pts_ms: u64) -> QueuedPicture {
    picture(pts_ms, Entry::Idr)
}

fn other(pts_ms: u64) -> QueuedPicture {
    picture(pts_ms, Entry::None)
}

/// An IDR picture each 200 ms, others each 40 ms, of one producer.
fn filled(lane: u64, until_ms: u64) -> Arc<PictureQueue> {
    let queue = PictureQueue::new(1 << 20);
    assert_eq!(queue.take_over(lane, &idr(0), None, DUE), Ok(Some(true)));
    for pts_ms in (40..until_ms).step_by(40) {
        let next = if pts_ms % 200 == 0 {
            idr(pts_ms)
        } else {
            other(pts_ms)
        };
        assert_eq!(queue.push_within(lane, next, 1 << 20, NOW), Ok(None));
    }
    queue
}

fn rest(queue: &PictureQueue) -> Vec<u64> {
    std::iter::from_fn(|| queue.pop().map(|picture| picture.pts_ms)).collect()
}

#[test]
fn pictures_come_out_in_order_and_then_it_is_drained() {
    let queue = PictureQueue::new(1000);
    assert_eq!((queue.peek_pts(), queue.pop()), (PeekPicture::Empty, None));
    queue.push(idr(5)).unwrap();
    queue.push(other(45)).unwrap();
    queue.push(other(45)).unwrap();
    assert_eq!(queue.buffered_bytes(), 200, "time only rises");
    assert_eq!(queue.peek_pts(), PeekPicture::Pts(5));
    queue.finish();
    assert_eq!(rest(&queue), [5, 45]);
    assert_eq!(queue.peek_pts(), PeekPicture::Drained);
    assert!(queue.is_played_to_end());
    assert_eq!(
        (queue.last_pts_ms(), queue.given_ms()),
        (Some(45), Some(45))
    );
}

#[test]
fn a_full_queue_blocks_until_there_is_some_room() {
    let queue = PictureQueue::new(1600);
    for index in 0..16 {
        queue.push(idr(index * 40)).unwrap();
    }
    assert!(queue.is_full());
    assert_eq!(
        queue.push_within(0, idr(640), 1600, NOW),
        Ok(Some(idr(640))),
        "given back"
    );
    assert_eq!(
        queue.push_within(0, idr(640), 3200, NOW),
        Ok(None),
        "more room"
    );
    let (done, pushed) = mpsc::channel();
    let producer = Arc::clone(&queue);
    thread::spawn(move || done.send(producer.push(idr(680))));
    queue.pop();
    assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err());
    queue.pop();
    assert_eq!(pushed.recv_timeout(PATIENCE).unwrap(), Ok(()));
    assert_eq!(queue.buffered_bytes(), 1600);
}

#[test]
fn another_encoding_takes_over_at_its_first_idr_after_what_was_given_out() {
    let queue = filled(1, 1000);
    while queue.given_ms() < Some(280) {
        queue.pop();
    }
    assert_eq!(
        queue.take_over(2, &idr(280), Some(PATIENCE), DUE),
        Ok(Some(false))
    );
    assert_eq!(
        queue.take_over(2, &other(300), Some(PATIENCE), DUE),
        Ok(Some(false))
    );
    assert_eq!(
        queue.push_within(1, other(1000), 1 << 20, NOW),
        Ok(None),
        "the old one goes on"
    );
    assert_eq!(
        queue.take_over(2, &idr(390), Some(PATIENCE), DUE),
        Ok(Some(true))
    );
    assert_eq!(queue.push_within(1, other(1040), 1 << 20, NOW), Err(Closed));
    assert_eq!(queue.push_within(2, other(430), 1 << 20, NOW), Ok(None));
    assert_eq!(queue.buffered_bytes(), 400);
    assert_eq!(rest(&queue), [320, 360, 390, 430]);
    assert_eq!(
        queue.take_over(1, &idr(2000), None, DUE),
        Err(Closed),
        "never back"
    );
}

#[test]
fn what_takes_over_waits_for_the_old_one_but_not_for_an_end() {
    type Happening = fn(&PictureQueue);
    let cases: [(&str, Happening, Vec<u64>); 3] = [
        (
            "it came so far",
            |queue| assert_eq!(queue.push_within(1, other(500), 1 << 20, NOW), Ok(None)),
            vec![400],
        ),
        (
            "the consumer has nothing left",
            |queue| {
                rest(queue);
            },
            vec![400],
        ),
        ("the film is read", PictureQueue::finish, vec![400]),
    ];
    for (what, happens, tail) in cases {
        let queue = filled(1, 360);
        assert_eq!(
            queue.take_over(2, &idr(400), Some(NOW), DUE),
            Ok(None),
            "pictures between would be missing: {what}"
        );
        let (done, joined) = mpsc::channel();
        let successor = Arc::clone(&queue);
        thread::spawn(move || done.send(successor.take_over(2, &idr(400), Some(PATIENCE), DUE)));
        happens(&queue);
        assert_eq!(
            joined.recv_timeout(PATIENCE).unwrap(),
            Ok(Some(true)),
            "{what}"
        );
        assert!(!queue.is_over(), "{what}");
        assert!(rest(&queue).ends_with(&tail), "{what}");
    }
}

#[test]
fn what_takes_over_is_not_shown_early_because_the_consumer_is_quick() {
    let queue = filled(1, 360);
    rest(&queue);
    assert_eq!(queue.take_over(2, &idr(400), Some(NOW), false), Ok(None));
    assert_eq!(
        queue.push_within(1, other(360), 1 << 20, NOW),
        Ok(None),
        "the old one may come"
    );
    assert_eq!(queue.take_over(2, &idr(400), Some(NOW), false), Ok(None));
    rest(&queue);
    assert_eq!(
        queue.take_over(2, &idr(400), Some(NOW), true),
        Ok(Some(true))
    );
}

#[test]
fn a_run_of_the_same_packets_goes_on_where_the_last_one_ended() {
    let queue = filled(1, 320);
    queue.go_on_as(2);
    for pts_ms in [200, 240, 280, 320, 360] {
        assert_eq!(queue.push_within(2, other(pts_ms), 1 << 20, NOW), Ok(None));
    }
    assert_eq!(queue.push_within(1, other(400), 1 << 20, NOW), Err(Closed));
    assert_eq!(rest(&queue), [0, 40, 80, 120, 160, 200, 240, 280, 320, 360]);
}

#[test]
fn a_consumer_begins_at_the_last_key_frame_before_its_place() {
    let queue = filled(1, 600);
    queue.skip_to(390);
    assert_eq!(queue.peek_pts(), PeekPicture::Pts(200));
    queue.skip_to(700);
    assert_eq!(queue.peek_pts(), PeekPicture::Pts(400));
    assert_eq!(queue.push_within(1, idr(600), 1 << 20, NOW), Ok(None));
    assert_eq!(queue.push_within(1, idr(800), 1 << 20, NOW), Ok(None));
    assert_eq!(rest(&queue), [600, 800], "also what comes later");
}

#[test]
fn an_end_is_kept_to_and_taken_back() {
    let queue = filled(1, 160);
    queue.end_at(Some(80));
    assert_eq!(queue.pop().unwrap().pts_ms, 0);
    assert!(!queue.go_on(), "nobody was told of it");
    queue.end_at(Some(80));
    assert_eq!(rest(&queue), [40]);
    assert!(queue.is_ended_at());
    assert_eq!(queue.peek_pts(), PeekPicture::Drained);
    assert!(queue.go_on());
    queue.end_at(None);
    assert_eq!(
        (queue.pop(), queue.peek_pts()),
        (None, PeekPicture::Drained)
    );
    queue.go_on();
    assert_eq!(rest(&queue), [80, 120]);
}

#[test]
fn a_waiting_consumer_is_woken_once() {
    let queue = PictureQueue::new(1000);
    let (woken, wakes) = mpsc::channel();
    let told = woken.clone();
    queue.wake_when_ready(move || told.send(()).unwrap());
    assert!(wakes.try_recv().is_err());
    queue.push(idr(0)).unwrap();
    queue.push(idr(40)).unwrap();
    assert_eq!(wakes.try_iter().count(), 1);
    queue.wake_when_ready(move || woken.send(()).unwrap());
    assert_eq!(wakes.try_iter().count(), 1, "at once");
}

#[test]
fn what_nobody_takes_is_thrown_away_from_key_frame_to_key_frame() {
    let queue = filled(1, 600);
    queue.drop_stale(450);
    assert_eq!(queue.peek_pts(), PeekPicture::Pts(400));
    queue.drop_stale(2000);
    assert_eq!(queue.peek_pts(), PeekPicture::Empty, "no key frame is left");
    assert_eq!(queue.buffered_bytes(), 0);
    for next in [other(600), idr(640), other(680)] {
        assert_eq!(queue.push_within(1, next, 1 << 20, NOW), Ok(None));
    }
    assert_eq!(rest(&queue), [640, 680]);
}

#[test]
fn a_closed_queue_holds_nobody_up() {
    let queue = PictureQueue::new(100);
    queue.push(idr(0)).unwrap();
    let producer = Arc::clone(&queue);
    let blocked = thread::spawn(move || producer.push(idr(40)));
    queue.close();
    assert_eq!(
        blocked.join().unwrap(),
        Ok(()),
        "the sound behind it goes on"
    );
    assert_eq!(
        queue.take_over(3, &idr(80), Some(PATIENCE), DUE),
        Ok(Some(true))
    );
    assert_eq!(queue.push_within(0, idr(90), 100, NOW), Err(Closed));
    assert_eq!(
        (queue.buffered_bytes(), queue.peek_pts()),
        (0, PeekPicture::Drained)
    );
    assert!(!queue.is_played_to_end());
}
