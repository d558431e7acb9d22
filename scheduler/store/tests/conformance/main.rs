//! What every store has to hold, run against SQLite and against a real PostgreSQL; and what only a server
//! can do to a store.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod database;
mod fence;
mod queue;
mod records;
mod server;
mod suite;
mod takeover;

/// Every test of the suites, against every database.
macro_rules! conformance {
    ($($suite:ident::$test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                crate::$suite::$test::<crate::database::SqliteFile>().await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                crate::$suite::$test::<crate::database::PostgresServer>().await;
            })*
        }
    };
}

conformance! {
    suite::what_was_committed_is_loaded_by_the_next_process,
    suite::a_batch_is_committed_whole_or_not_at_all,
    suite::of_many_writes_to_one_row_the_newest_stays,
    suite::what_has_long_been_over_is_not_loaded,
    suite::the_tables_hold_what_the_bot_reads,
    suite::a_queue_entry_is_one_row_however_often_it_is_written,
    suite::any_title_can_be_written,
    suite::secrets_are_sealed_and_open_with_the_same_tokens_only,
    suite::a_streams_credentials_are_sealed_and_come_back,
    suite::command_ids_are_found_one_by_one_and_together,
    suite::old_commands_are_forgotten,
    queue::a_queue_comes_back_as_it_was_written,
    queue::the_writes_of_a_batch_count_in_their_order,
    queue::a_thousand_are_put_in_order_by_one_write,
    queue::of_what_ended_the_newest_hundred_are_loaded,
    queue::an_entry_that_played_can_be_removed_later,
    queue::a_callers_id_belongs_to_the_newest_entry,
    queue::entries_of_an_earlier_version_are_given_ids,
    queue::what_happened_is_read_on_from_any_event,
    fence::a_leader_that_was_replaced_writes_nothing,
    fence::a_leader_that_was_replaced_is_told_so_without_writing,
    fence::a_stale_leaders_grant_and_its_process_are_not_stored,
    fence::the_epoch_rises_above_what_was_asked_for_and_what_was_stored,
    fence::many_tasks_write_at_once,
    fence::leaders_that_replace_each_other_never_interleave,
}
