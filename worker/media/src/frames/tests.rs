#![allow(clippy::unwrap_used)]
use std::sync::mpsc;
use std::thread;

use super::*;

fn frame(pts_ms: u64) -> OpusFrame {
    OpusFrame {
        pts_ms,
        data: Bytes::from_static(&[0xfc]),
    }
}

#[test]
fn frames_come_out_in_order_and_then_it_is_drained() {
    let queue = FrameQueue::new(Duration::from_secs(1));
    assert_eq!(queue.pop(), Pop::Empty);
    queue.push(frame(0)).unwrap();
    queue.push(frame(20)).unwrap();
    assert_eq!(queue.buffered(), Duration::from_millis(40));
    queue.finish();
    assert_eq!(queue.pop(), Pop::Frame(frame(0)));
    assert_eq!(queue.pop(), Pop::Frame(frame(20)));
    assert_eq!(queue.pop(), Pop::Drained);
}

#[test]
fn a_full_queue_blocks_until_a_pop() {
    let queue = FrameQueue::new(Duration::from_millis(40));
    queue.push(frame(0)).unwrap();
    queue.push(frame(20)).unwrap();
    assert!(queue.is_full());
    let (done, pushed) = mpsc::channel();
    let producer = Arc::clone(&queue);
    thread::spawn(move || done.send(producer.push(frame(40))));
    assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!(queue.pop(), Pop::Frame(frame(0)));
    assert_eq!(pushed.recv_timeout(Duration::from_secs(5)).unwrap(), Ok(()));
    assert_eq!(queue.buffered(), Duration::from_millis(40));
}

#[test]
fn a_full_queue_takes_nothing_before_there_is_room_for_a_batch() {
    let capacity = 4 * BATCH as u64;
    let queue = FrameQueue::new(Duration::from_millis(capacity * FRAME_MS));
    let (pushed, pushes) = mpsc::channel();
    let producer = Arc::clone(&queue);
    thread::spawn(move || {
        for index in 0.. {
            if producer.push(frame(index * FRAME_MS)).is_err() || pushed.send(()).is_err() {
                return;
            }
        }
    });
    let pushed_now = |most: u64| {
        let patience = Duration::from_secs(5);
        (0..most).for_each(|_| pushes.recv_timeout(patience).unwrap());
        assert!(pushes.recv_timeout(Duration::from_millis(50)).is_err());
        assert!(queue.is_full());
    };
    pushed_now(capacity);
    for _ in 0..3 {
        (1..BATCH).for_each(|_| assert!(matches!(queue.pop(), Pop::Frame(_))));
        pushed_now(0);
        assert!(matches!(queue.pop(), Pop::Frame(_)));
        pushed_now(BATCH as u64);
    }
    // What is thrown away makes room, too.
    queue.skip_to((3 * BATCH as u64 + BATCH as u64) * FRAME_MS);
    pushed_now(BATCH as u64);
    queue.close();
    assert!(!matches!(queue.pop(), Pop::Frame(_)));
}

#[test]
fn a_successor_joins_where_the_last_run_ended() {
    let queue = FrameQueue::new(Duration::from_millis(40));
    queue.push_from(1, frame(0)).unwrap();
    queue.push_from(1, frame(20)).unwrap();
    let old = Arc::clone(&queue);
    let blocked = thread::spawn(move || old.push_from(1, frame(40)));
    // The successor's frames that are known already neither block nor count.
    queue.push_from(2, frame(1)).unwrap();
    queue.push_from(2, frame(21)).unwrap();
    assert_eq!(blocked.join().unwrap(), Err(Closed));
    assert_eq!(queue.push_from(1, frame(60)), Err(Closed));
    assert_eq!(queue.pop(), Pop::Frame(frame(0)));
    queue.push_from(2, frame(41)).unwrap();
    assert_eq!(queue.pop(), Pop::Frame(frame(20)));
    assert_eq!(queue.pop(), Pop::Frame(frame(41)));
    assert_eq!(queue.last_pts_ms(), Some(41));
}

#[test]
fn a_waiting_consumer_is_woken_once_by_the_first_frame_or_the_end() {
    type Happening = fn(&FrameQueue);
    let cases: [(&str, Happening); 3] = [
        ("a frame", |queue| queue.push(frame(0)).unwrap()),
        ("the end", FrameQueue::finish),
        ("a close", FrameQueue::close),
    ];
    for (what, happens) in cases {
        let queue = FrameQueue::new(Duration::from_secs(1));
        let (woken, wakes) = mpsc::channel();
        let popped = Arc::clone(&queue);
        let told = woken.clone();
        queue.wake_when_ready(move || told.send(popped.pop() != Pop::Empty).unwrap());
        assert!(wakes.try_recv().is_err(), "too early for {what}");
        happens(&queue);
        assert_eq!(wakes.try_recv(), Ok(true), "{what} can be popped");
        queue.finish();
        assert!(wakes.try_recv().is_err(), "once for {what}");
        queue.wake_when_ready(move || woken.send(true).unwrap());
        assert_eq!(wakes.try_recv(), Ok(true), "at once, it is over");
    }
}

#[test]
fn frames_before_the_asked_one_are_thrown_away_now_and_later() {
    let queue = FrameQueue::new(Duration::from_millis(40));
    queue.push(frame(0)).unwrap();
    queue.push(frame(20)).unwrap();
    let producer = Arc::clone(&queue);
    let blocked = thread::spawn(move || producer.push(frame(40)));
    queue.skip_to(60);
    assert_eq!(blocked.join().unwrap(), Ok(()));
    let (woken, wakes) = mpsc::channel();
    queue.wake_when_ready(move || woken.send(()).unwrap());
    assert!(
        wakes.try_recv().is_err(),
        "what is skipped is nothing to play"
    );
    queue.push(frame(61)).unwrap();
    assert_eq!(wakes.try_recv(), Ok(()));
    assert_eq!(queue.pop(), Pop::Frame(frame(61)));
}

#[test]
fn an_end_is_kept_to_and_taken_back_without_losing_a_frame() {
    let queue = FrameQueue::new(Duration::from_secs(1));
    for index in 0..4 {
        queue.push(frame(index * 20)).unwrap();
    }
    queue.end_at(Some(40));
    assert_eq!(queue.pop(), Pop::Frame(frame(0)));
    assert!(!queue.go_on(), "nobody was told of it");
    queue.end_at(Some(40));
    assert_eq!(queue.pop(), Pop::Frame(frame(20)));
    assert!(queue.is_ended_at());
    assert_eq!((queue.pop(), queue.pop()), (Pop::Drained, Pop::Drained));
    assert_eq!(queue.given_until_ms(), Some(40));
    assert!(queue.go_on());
    queue.end_at(None);
    assert_eq!(queue.pop(), Pop::Drained, "at once");
    assert!(queue.go_on());
    assert_eq!(queue.pop(), Pop::Frame(frame(40)));
    assert_eq!(queue.pop(), Pop::Frame(frame(60)));
}

#[test]
fn an_end_is_reached_without_a_frame_behind_it_and_a_film_that_is_over_has_its_own() {
    let queue = FrameQueue::new(Duration::from_secs(1));
    queue.push(frame(0)).unwrap();
    queue.end_at(Some(20));
    assert_eq!(queue.pop(), Pop::Frame(frame(0)));
    assert_eq!(queue.pop(), Pop::Drained, "whatever comes is behind it");
    queue.go_on();
    queue.end_at(Some(1_000));
    assert_eq!(queue.pop(), Pop::Empty, "starved, not ended");
    queue.finish();
    assert_eq!(queue.pop(), Pop::Drained);
    assert!(queue.is_over() && !queue.is_ended_at());
    let empty = FrameQueue::new(Duration::from_secs(1));
    empty.end_at(Some(1_000));
    assert_eq!(empty.pop(), Pop::Empty);
    empty.end_at(None);
    assert_eq!((empty.pop(), empty.given_until_ms()), (Pop::Drained, None));
}

#[test]
fn close_wakes_the_producer_and_drops_the_rest() {
    let queue = FrameQueue::new(Duration::from_millis(20));
    queue.push(frame(0)).unwrap();
    let producer = Arc::clone(&queue);
    let blocked = thread::spawn(move || producer.push(frame(20)));
    queue.close();
    assert_eq!(blocked.join().unwrap(), Err(Closed));
    assert_eq!(queue.pop(), Pop::Drained);
}

#[test]
fn only_a_film_that_was_given_out_whole_was_played_to_its_end() {
    let queue = || {
        let queue = FrameQueue::new(Duration::from_secs(1));
        queue.push(frame(0)).unwrap();
        queue
    };
    let (whole, broken, closed) = (queue(), queue(), queue());
    whole.finish();
    assert!(!whole.is_played_to_end(), "a frame is left");
    broken.break_off();
    for queue in [&whole, &broken, &closed] {
        assert_eq!(queue.pop(), Pop::Frame(frame(0)));
    }
    closed.close();
    for (queue, is_whole) in [(whole, true), (broken, false), (closed, false)] {
        assert_eq!(queue.pop(), Pop::Drained);
        assert_eq!(queue.is_played_to_end(), is_whole);
    }
}
