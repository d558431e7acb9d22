//! The place of a pacing thread among the others of the machine.
//!
//! A thread that paces hundreds of sessions uses a fifth of a core. On a busy machine the scheduler makes such a thread
//! wait for its turn, for tens of milliseconds, and then all sessions are late at once. Real-time threads wait for
//! nobody. They need the capability `SYS_NICE`, or a limit `RTPRIO` above zero.

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Makes the calling thread a real-time one of the lowest such priority, if that is allowed. If not, it stays as it is.
///
/// A tick takes microseconds and never blocks, and the kernel leaves a twentieth of the time to others whatever a
/// real-time thread does (`sched_rt_runtime_us`).
pub(super) fn put_first() {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    match set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        Ok(()) => tracing::debug!("a pacing thread has real-time priority"),
        Err(error) => tracing::debug!(?error, "a pacing thread has no real-time priority"),
    }
}
