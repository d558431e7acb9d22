#![allow(clippy::unwrap_used)]

use super::*;

const PERMIT: Duration = Duration::from_millis(100);

/// A worker that is attached, and a clock.
struct Case {
    questions: Questions,
    now: Instant,
}

impl Case {
    fn attached() -> Self {
        let mut case = Self {
            questions: Questions::default(),
            now: Instant::now(),
        };
        case.questions.attached(PERMIT);
        case
    }

    fn wait(&mut self, session: &str, token: u64) -> WaiterId {
        self.questions.wait(lease(session, token))
    }

    fn pass_time(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// The number of the next question, which is about these leases.
    fn asked(&mut self, leases: &[(&str, u64)]) -> u64 {
        let question = self.questions.question(self.now).unwrap();
        let expected: Vec<_> = leases.iter().map(|(s, t)| lease(s, *t)).collect();
        assert_eq!(question.leases, expected);
        question.request
    }

    fn nothing_is_asked(&mut self) {
        assert_eq!(self.questions.question(self.now), None);
    }

    fn answer(&mut self, request: u64, verdicts: &[(&str, u64, bool)]) -> Answered {
        let verdicts = verdicts
            .iter()
            .map(|(session, token, held)| (lease(session, *token), *held))
            .collect();
        self.questions.answer(request, &verdicts, self.now)
    }
}

fn lease(session: &str, token: u64) -> LeaseRef {
    LeaseRef {
        session: session.to_owned(),
        token,
    }
}

fn opened(id: WaiterId, expires: Instant) -> Answered {
    Answered {
        outcomes: vec![(id, Ok(Permit { expires }))],
        first_late: None,
    }
}

#[test]
fn a_permit_counts_from_when_the_question_was_handed_over() {
    let mut case = Case::attached();
    let step = case.wait("s", 1);
    case.pass_time(10_000);
    let asked_at = case.now;
    let request = case.asked(&[("s", 1)]);
    case.nothing_is_asked();
    case.pass_time(99);
    let answered = case.answer(request, &[("s", 1, true)]);
    assert_eq!(answered, opened(step, asked_at + PERMIT));
    case.nothing_is_asked();
}

#[test]
fn whoever_comes_while_a_question_is_under_way_is_not_served_by_its_answer() {
    let mut case = Case::attached();
    let first = case.wait("s", 1);
    let request = case.asked(&[("s", 1)]);
    let asked_at = case.now;
    case.pass_time(10);
    let second = case.wait("s", 1);
    let answered = case.answer(request, &[("s", 1, true)]);
    assert_eq!(answered, opened(first, asked_at + PERMIT));
    let request = case.asked(&[("s", 1)]);
    assert_eq!(
        case.answer(request, &[("s", 1, true)]),
        opened(second, case.now + PERMIT)
    );
}

#[test]
fn two_steps_of_one_session_that_wait_at_once_share_a_question() {
    let mut case = Case::attached();
    let steps = [case.wait("s", 1), case.wait("s", 1)];
    let request = case.asked(&[("s", 1)]);
    let answered = case.answer(request, &[("s", 1, true)]);
    let expires = case.now + PERMIT;
    assert_eq!(
        answered.outcomes,
        steps.map(|id| (id, Ok(Permit { expires })))
    );
}

#[test]
fn sessions_share_a_question_and_each_has_its_verdict() {
    let mut case = Case::attached();
    let a = case.wait("a", 1);
    let b = case.wait("b", 2);
    let request = case.asked(&[("a", 1), ("b", 2)]);
    let answered = case.answer(request, &[("b", 2, false), ("a", 1, true)]);
    let expires = case.now + PERMIT;
    assert_eq!(
        answered.outcomes,
        [(a, Ok(Permit { expires })), (b, Err(Refused))]
    );
}

#[test]
fn nothing_is_asked_without_a_stream_or_of_a_scheduler_that_gives_no_permits() {
    let mut case = Case::attached();
    case.questions.detached();
    let step = case.wait("s", 1);
    case.nothing_is_asked();
    assert_eq!(case.questions.next_question_at(), None);
    case.questions.attached(Duration::ZERO);
    case.nothing_is_asked();
    case.questions.attached(PERMIT);
    let request = case.asked(&[("s", 1)]);
    assert_eq!(
        case.answer(request, &[("s", 1, true)]),
        opened(step, case.now + PERMIT)
    );
}

#[test]
fn the_answer_to_a_question_of_an_old_stream_opens_nothing() {
    let mut case = Case::attached();
    let step = case.wait("s", 1);
    let old = case.asked(&[("s", 1)]);
    case.questions.detached();
    assert_eq!(case.answer(old, &[("s", 1, true)]), Answered::default());
    case.questions.attached(PERMIT);
    assert_eq!(case.answer(old, &[("s", 1, true)]), Answered::default());
    case.pass_time(30);
    let new = case.asked(&[("s", 1)]);
    assert_ne!(old, new);
    assert_eq!(case.answer(old, &[("s", 1, true)]), Answered::default());
    assert_eq!(
        case.answer(new, &[("s", 1, true)]),
        opened(step, case.now + PERMIT)
    );
}

#[test]
fn a_second_answer_opens_nothing() {
    let mut case = Case::attached();
    case.wait("s", 1);
    let request = case.asked(&[("s", 1)]);
    assert_eq!(case.answer(request, &[("s", 1, true)]).outcomes.len(), 1);
    case.wait("s", 1);
    assert_eq!(case.answer(request, &[("s", 1, true)]), Answered::default());
    let request = case.asked(&[("s", 1)]);
    assert_eq!(
        case.answer(request + 1, &[("s", 1, true)]),
        Answered::default()
    );
}

#[test]
fn a_gate_is_bound_to_its_token() {
    let mut case = Case::attached();
    let old = case.wait("s", 1);
    let new = case.wait("s", 2);
    let request = case.asked(&[("s", 1), ("s", 2)]);
    let answered = case.answer(request, &[("s", 2, true), ("s", 1, false)]);
    let expires = case.now + PERMIT;
    assert_eq!(
        answered.outcomes,
        [(old, Err(Refused)), (new, Ok(Permit { expires }))]
    );
}

#[test]
fn a_withdrawn_step_is_neither_asked_for_nor_answered() {
    let mut case = Case::attached();
    let gone = case.wait("a", 1);
    case.wait("b", 1);
    case.questions.withdraw(gone);
    let request = case.asked(&[("b", 1)]);
    let gone = case.wait("c", 1);
    let unanswered = case.asked(&[("c", 1)]);
    case.questions.withdraw(gone);
    assert_eq!(
        case.answer(unanswered, &[("c", 1, true)]),
        Answered::default()
    );
    assert_eq!(case.answer(request, &[("b", 1, true)]).outcomes.len(), 1);
}

#[test]
fn an_answer_that_comes_too_late_is_asked_again_ever_later_and_said_once() {
    let mut case = Case::attached();
    let step = case.wait("s", 1);
    let mut waits = Vec::new();
    for round in 0..8 {
        let request = case.asked(&[("s", 1)]);
        case.pass_time(100);
        let answered = case.answer(request, &[("s", 1, true)]);
        assert_eq!(answered.outcomes, []);
        assert_eq!(answered.first_late, (round == 0).then_some(PERMIT));
        case.nothing_is_asked();
        let next = case.questions.next_question_at().unwrap();
        waits.push((next - case.now).as_millis());
        case.now = next;
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
    let request = case.asked(&[("s", 1)]);
    case.pass_time(99);
    let answered = case.answer(request, &[("s", 1, true)]);
    assert_eq!(answered, opened(step, case.now + Duration::from_millis(1)));
}

#[test]
fn a_refusal_is_final_however_late() {
    let mut case = Case::attached();
    let step = case.wait("s", 1);
    let request = case.asked(&[("s", 1)]);
    case.pass_time(60_000);
    let answered = case.answer(request, &[("s", 1, false)]);
    assert_eq!(answered.outcomes, [(step, Err(Refused))]);
    case.nothing_is_asked();
}

#[test]
fn a_lease_without_a_verdict_is_asked_again() {
    let mut case = Case::attached();
    case.wait("s", 1);
    let request = case.asked(&[("s", 1)]);
    assert_eq!(case.answer(request, &[("s", 9, true)]), Answered::default());
    case.nothing_is_asked();
    case.now = case.questions.next_question_at().unwrap();
    case.asked(&[("s", 1)]);
}

#[test]
fn many_leases_go_in_few_questions_and_no_more_while_those_are_unanswered() {
    let mut case = Case::attached();
    let sessions = LEASES * IN_FLIGHT + 10;
    for n in 0..sessions {
        case.wait(&format!("s{n}"), 1);
    }
    let mut questions = Vec::new();
    while let Some(question) = case.questions.question(case.now) {
        questions.push(question);
    }
    assert_eq!(questions.len(), IN_FLIGHT);
    assert!(questions.iter().all(|q| q.leases.len() == LEASES));
    assert_eq!(case.questions.next_question_at(), None);
    for question in questions {
        let verdicts = question.leases.into_iter().map(|l| (l, true)).collect();
        let answered = case.questions.answer(question.request, &verdicts, case.now);
        assert_eq!(answered.outcomes.len(), LEASES);
    }
    assert_eq!(case.questions.question(case.now).unwrap().leases.len(), 10);
}
