//! What every store must do, by name. One list of behaviours, run against memory, SQLite and
//! PostgreSQL; some more for databases only.
//!
//! | file | what |
//! | --- | --- |
//! | `place` | where a store is: made for one test, opened as often as it wants |
//! | `world` | an alliance in it, worked on by the real ledger |
//! | `behaviours` | what every store must do |
//! | `events`, `keys`, `members` | those of them that are about feeds of events, keys, and members that are forgotten |
//! | `settlement` | the same, of settlement windows and what banks say |
//! | `sagas` | the same, of transactions that wait for brands |
//! | `webhooks` | the same, of endpoints and what they were sent |
//! | `databases` | what every database must do besides |
//! | `audits` | what the audit finds of what was changed behind the writer's back |
//! | `postgres_only` | what only a server can be asked |
//! | `sqlite_only` | what only a file can suffer |
//! | `schemas` | that both schemas are the same |
//! | `story` | the same commands on several stores, compared |
//! | `plans` | how statements are carried out |
//!
//! A test says which behaviours it runs by [`store_behaviours`](crate::store_behaviours),
//! [`database_behaviours`](crate::database_behaviours),
//! [`sqlite_behaviours`](crate::sqlite_behaviours) and
//! [`postgres_behaviours`](crate::postgres_behaviours).
// These are tests: what should not be ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod audits;
pub mod behaviours;
pub mod databases;
mod events;
pub mod keys;
pub mod masters;
pub mod members;
pub mod place;
pub mod plans;
pub mod postgres_only;
pub mod sagas;
pub mod schemas;
pub mod settlement;
pub mod sqlite_only;
pub mod story;
pub mod webhooks;
pub mod world;

pub use place::Place;

/// Hands the names of all behaviours of every store to a macro.
#[macro_export]
macro_rules! store_behaviours {
    ($each:ident) => {
        $each! {
            behaviours:
            only_one_batch_at_a_time,
            a_batch_that_waits_may_be_given_up,
            batch_numbers_grow,
            a_batch_that_is_dropped_leaves_no_trace,
            a_commit_of_nothing_is_harmless,
            a_commit_is_seen_by_reads_and_by_the_next_batch,
            orders_of_every_kind_come_back_and_are_turned_round,
            what_is_written_ahead_is_there_only_after_the_commit_of_the_rest,
            everything_is_there_after_opening_again,
            two_stores_of_one_alliance_take_turns,
            a_quote_is_used_once,
            a_source_reference_is_used_once_unless_it_failed,
            an_idempotency_key_is_used_once,
            a_key_says_what_it_was_used_for,
            a_transaction_id_is_used_once,
            a_member_is_found_in_one_place,
            members_are_numbered_without_gaps,
            two_members_have_one_active_link,
            a_newer_link_takes_the_place_of_an_older_one,
            a_stale_head_is_refused,
            a_chain_that_is_there_is_not_begun_again,
            a_receipt_is_never_replaced,
            a_balance_is_never_below_zero,
            a_balance_of_nobody_is_refused,
            totals_pass_64_bits,
            receipts_come_back_byte_for_byte,
            receipts_come_in_pages,
            nodes_are_kept_and_read_by_range,
            heads_carry_the_edge_of_their_tree,
            a_link_may_name_a_member_that_nobody_knows,
            links_come_in_pages_by_partner_and_state,
            links_between_wanted_members_come_along,
            other_links_of_a_wanted_links_members_come_along,
            an_agreement_comes_back_as_it_was_signed,
            the_registry_grows_with_what_both_have_signed,
            a_pair_has_one_open_proposal,
            a_pair_has_one_agreement_of_each_number,
            agreements_come_in_pages_by_partner_and_state,
            campaigns_are_kept_and_the_registry_grows_with_each,
            nobody_approves_what_they_have_proposed,
            lots_come_with_their_member_and_go,
            a_request_is_kept_once_with_its_body_or_its_orders,
            the_registry_grows_by_versions,
            a_board_without_its_signature_is_refused,
            boards_follow_each_other_and_stay,
            flows_and_frozen_pairs_are_kept,
            what_a_member_gave_in_a_day_is_kept_by_corridor,
            a_proposal_is_kept_and_its_values_come_with_one_board,
            who_proposes_rates_never_approves_them,
            readings_are_kept_for_ever_and_what_follows_from_them_is_in_the_registry,
            partners_are_suspended_and_let_go,
            checkpoints_never_go_back,
            the_first_quote_key_of_a_period_stays_and_old_ones_are_destroyed,
            a_reversal_changes_its_original,
            a_transaction_comes_with_its_members_and_its_receipt,
            events_are_numbered_from_one_without_a_gap_in_each_feed,
            events_are_there_with_what_they_tell_or_not_at_all,
            any_part_of_a_feed_can_be_read_and_reads_the_same,
            events_that_are_not_numbered_one_by_one_are_refused,
            many_events_of_one_commit_are_several_rows,
            two_writers_make_one_feed_and_whoever_reads_meanwhile_misses_nothing,
            suspending_a_partner_is_told_once,
            an_endpoint_is_kept_as_it_was_made_and_changed,
            an_endpoint_is_one_gateways_alone_for_a_while,
            what_became_of_events_is_kept_with_every_attempt,
            what_is_given_up_can_be_sent_again_and_what_wants_nothing_is_left_alone,
            a_partner_has_so_many_endpoints_at_most,
            a_transaction_under_way_is_kept_from_step_to_step,
            one_that_failed_is_kept_and_leaves_its_reference_free,
            a_transaction_has_one_reversal_under_way,
            a_brands_answer_to_a_call_is_kept_once,
            a_member_of_a_connected_program_is_entered_when_it_is_named,
            audits_read_everything_in_pages,
            twenty_thousand_members_are_imported_and_found,
            what_is_not_there_is_not_found,
            keys_of_after_the_definition_come_with_the_registry,
            a_changed_key_without_a_signed_list_is_refused,
            the_last_gateway_key_list_comes_with_the_registry,
            of_a_forgotten_member_a_number_is_left,
            whoever_is_named_again_after_it_was_forgotten_is_another,
            whose_transaction_is_pending_is_not_forgotten,
            erasures_come_in_pages_by_partner,
            an_erasure_without_its_signature_is_refused,
            members_are_frozen_and_let_go,
            what_was_ordered_under_a_consent_is_kept_and_its_end_too,
            what_a_key_was_accepted_for_comes_in_pages,
            the_first_cosignature_of_a_partner_over_so_many_receipts_stays,
            the_partner_key_list_is_signed_anew_once_its_key_is_revoked,
            the_generations_of_the_master_key_come_with_the_registry,
            everything_is_brought_under_another_master_key,
            a_row_that_is_not_as_it_was_read_is_left_alone,
            while_the_master_key_is_rotated_everything_goes_on,
            a_look_up_that_cannot_be_made_anew_is_left_out,
            a_receipt_is_in_the_one_window_that_was_open_when_it_was_committed,
            a_window_is_closed_once_for_each_time_of_the_schedule,
            what_a_window_comes_to_is_kept_once_and_what_it_carries_opens_the_next,
            what_a_bank_says_is_taken_in_once_and_settles_the_window,
            the_obligations_of_a_window_that_is_aborted_join_the_next,
            what_follows_from_a_window_is_posted_once_in_the_open_one,
            who_proposes_a_release_never_approves_it,
        }
    };
}

/// Hands the names of what databases must do besides to a macro.
#[macro_export]
macro_rules! database_behaviours {
    ($each:ident) => {
        $each! {
            databases:
            a_begin_that_is_cancelled_leaves_no_open_transaction,
            a_begin_dropped_at_any_poll_leaves_the_row_free,
            a_load_that_is_cancelled_leaves_no_open_transaction,
            a_commit_that_is_cancelled_is_whole_or_nothing,
            after_an_error_nothing_is_kept_and_the_next_batch_works,
            a_commit_of_a_failed_transaction_is_an_error,
            an_alliance_sees_only_its_own,
            a_database_that_was_not_migrated_says_so,
            a_database_of_a_later_version_says_so,
            migrating_again_and_at_once_does_no_harm,
            what_was_tampered_with_is_corrupt,
            the_audit_names_what_was_tampered_with,
            the_audit_names_a_consent_and_an_erasure_that_were_tampered_with,
            finance_teams_read_views,
            a_closed_store_answers_no_more,
        }
    };
}

/// Hands the names of what only a file can suffer to a macro.
#[macro_export]
macro_rules! sqlite_behaviours {
    ($each:ident) => {
        $each! {
            sqlite_only:
            files_taken_away_under_a_batch_make_its_commit_unknown,
            a_store_that_lost_its_connections_keeps_its_log,
            of_a_forgotten_member_no_byte_is_left_in_the_files,
            of_what_was_under_another_master_key_no_byte_is_left_in_the_files,
        }
    };
}

/// Hands the names of what only a server can be asked to a macro.
#[macro_export]
macro_rules! postgres_behaviours {
    ($each:ident) => {
        $each! {
            postgres_only:
            a_commit_whose_answer_is_lost_is_unknown_and_can_be_read_back,
            a_lost_connection_before_the_commit_is_unavailable,
            an_idle_connection_that_died_is_replaced,
            a_gateway_that_hangs_loses_the_row,
            a_statement_that_failed_is_never_a_commit,
        }
    };
}
