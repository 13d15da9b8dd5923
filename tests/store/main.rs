//! What every store promises, and what each of them adds.
//!
//! The stories in `deliveries`, `tasks`, `jobs`, `turns`, `effects`, `spend`, `holds` and `processes`, and the model test,
//! know only the port. `all_stories!` runs all of them on one kind of store; another kind is another line.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bases;
mod cluster;
mod deliveries;
mod effects;
mod holds;
mod jobs;
mod model;
mod postgres;
mod processes;
mod spend;
mod sqlite;
mod tasks;
mod turns;
mod unreadable;
mod upgrade;
mod watch;
mod world;

/// Runs every story, and the model test, on the stores that `$open` opens.
macro_rules! stories {
    ($open:path, $($file:ident: $($story:ident)*;)*) => {
        $(mod $file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let opened = $open().await;
                crate::$file::$story(opened.store).await;
            })*
        })*

        mod model {
            #[test]
            fn random_operations_agree_with_the_model() {
                crate::model::run(|| Box::pin($open()));
            }
        }
    };
}

/// Lists every story with its name, for a store on which each does not take a process of its own.
macro_rules! listed {
    ($open:path, $($file:ident: $($story:ident)*;)*) => {
        pub(crate) fn stories() -> Vec<(&'static str, crate::world::Story)> {
            vec![$($((
                concat!(stringify!($file), "::", stringify!($story)),
                (|store| Box::pin(crate::$file::$story(store))) as crate::world::Story,
            )),*),*]
        }
    };
}

/// Hands all of them to another macro, by their names.
macro_rules! all_stories {
    ($macro:ident, $open:path) => {
        $macro! { $open,
            deliveries:
                an_accepted_delivery_reads_back
                a_second_delivery_with_the_same_id_is_a_duplicate
                batches_of_any_size_are_stored_in_order
                the_oldest_due_delivery_comes_first
                a_few_due_deliveries_come_at_once
                deliveries_are_decided_together
                a_held_delivery_comes_back_when_its_time_has_come
                a_later_delivery_of_a_held_thread_can_see_it
                a_decided_delivery_is_not_decided_again
                a_parked_delivery_blocks_nobody_and_is_replayed
                only_dispatched_deliveries_are_forgotten
                deliveries_are_listed_newest_first
                deliveries_that_are_here_are_known
                a_note_stands_until_the_next;
            tasks:
                a_change_is_whole_or_not_at_all
                a_task_is_written_at_the_version_it_was_read_at
                a_thread_has_one_open_task
                a_task_is_found_by_its_pull_request_while_it_is_open
                tasks_are_listed_last_written_first
                open_tasks_of_an_installation_or_of_repositories
                a_rename_reaches_open_tasks_and_unsent_effects
                the_audit_trail_keeps_its_end;
            jobs:
                a_leased_job_carries_all_that_a_worker_needs
                a_task_has_one_live_job
                a_lane_runs_at_most_its_limit
                lanes_take_turns_whatever_their_length
                a_lane_that_fills_up_again_waits_for_its_turn
                a_job_is_not_leased_before_its_time
                more_jobs_than_are_woken_at_once
                an_expired_lease_is_given_out_as_another_attempt
                an_expired_lease_holds_until_it_is_given_to_another
                a_lowered_limit_holds_after_a_crash
                a_lost_lease_writes_nothing
                a_queued_job_that_is_stopped_is_over_at_once
                a_running_job_learns_that_it_is_stopped
                a_job_that_goes_back_keeps_its_journal
                a_worker_sees_what_it_holds_and_no_more
                sixteen_workers_share_the_lanes;
            turns:
                installations_take_turns_however_many_repositories_they_have
                an_installation_runs_at_most_its_limit
                all_together_run_at_most_their_limit
                limits_that_were_lowered_hold_after_a_crash
                limits_that_are_lifted_hold_nobody_back
                a_lane_follows_its_repository_to_another_installation
                a_conversation_comes_before_what_was_queued_in_the_hour_before
                a_job_that_goes_back_keeps_its_place
                a_queued_job_says_what_it_waits_for
                sixteen_workers_keep_every_limit;
            effects:
                effects_of_a_thread_are_sent_in_order
                threads_do_not_wait_for_each_other
                an_effect_put_off_holds_back_its_thread
                a_parked_effect_holds_back_nobody
                the_same_content_changes_nothing
                other_content_replaces_what_was_not_sent
                other_content_is_sent_anew_with_what_was_left
                what_was_said_stands_a_while_before_it_is_edited
                a_replacement_during_a_lease_keeps_what_was_sent
                a_replaced_effect_waits_for_the_attempt_that_runs
                a_replacement_does_not_shorten_a_wait
                an_attempt_is_counted_when_its_lease_runs_out
                an_ended_attempt_does_not_end_twice
                dropping_leaves_what_does_not_publish
                a_dropped_effect_that_was_on_its_way_is_remembered
                a_dropped_effect_is_recorded_anew
                what_is_due_next;
            spend:
                calls_add_up_in_every_scope
                a_call_counts_once
                calls_at_once_all_count
                what_was_spent_outlives_the_calls
                a_job_is_listed_with_what_it_cost;
            holds:
                money_is_set_aside_under_every_cap_or_under_none
                a_call_is_charged_in_the_place_of_what_it_held
                a_call_that_was_not_made_leaves_nothing
                what_is_set_aside_twice_is_set_aside_once
                a_call_that_dwarfs_every_cap_is_denied
                a_call_that_nobody_ended_is_charged_in_full_once
                a_call_that_is_said_to_live_is_not_ended
                a_cost_that_is_learnt_late_takes_the_place_of_the_presumed_one
                what_a_dead_worker_had_set_aside_ends_at_its_next_start
                calls_of_many_at_once_never_pass_a_cap;
            processes:
                a_process_stands_as_it_said_last
                a_process_that_leaves_gives_its_duties_up
                a_duty_has_one_holder_at_a_time
                a_duty_is_renewed_in_time_and_passes_on
                what_is_long_gone_is_forgotten
                the_schema_says_who_made_it;
            bases:
                many_pushes_are_one_comparison
                the_longest_due_comes_first
                a_push_during_a_comparison_asks_for_another
                a_comparison_that_failed_waits_whatever_is_pushed;
        }
    };
}

mod on_sqlite {
    all_stories! { stories, crate::sqlite::open }
}

mod on_postgres {
    all_stories! { listed, crate::postgres::open }
}

/// What this version promises, on a database that the next one has already brought up to date.
mod on_a_newer_schema {
    all_stories! { stories, crate::upgrade::open_expanded }
}
