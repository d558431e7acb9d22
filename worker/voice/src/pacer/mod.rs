//! The pacer: one tick every 20 ms for each of many sessions, on few threads.
