//! The party API: parties, playback, queue, events, workers.

mod document;
mod events;
mod golive;
mod library;
mod listeners;
mod parties;
mod playback;
mod queue;
mod refusals;
mod workers;
