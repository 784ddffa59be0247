//! Real servers and real clients on loopback. Nothing sleeps to wait, but for what makes no sound: each wait ends with what
//! it waits for.
//!
//! # Planted bugs
//!
//! Each class of tests is shown to find a bug that is planted: `cargo test -p cede-net --features planted` with `PLANTED`
//! set to one of these must fail, in this test. `.ci/planted` does it for all of them.
//!
//! | `PLANTED` | the bug | found by |
//! |---|---|---|
//! | `origin` | a listed origin is compared as a prefix | `attacks::origins_of_twenty_kinds` |
//! | `host` | `Host` is not looked at | `attacks::names_that_were_pointed_here` |
//! | `path` | the last part of a path is the room | `attacks::names_that_look_like_paths` |
//! | `scope` | a token for one room opens all | `rights::a_token_opens_what_it_says` |
//! | `revoked` | rights are looked up at hello alone | `rights::a_token_that_is_revoked_ends_its_connection` |
//! | `said` | what hosts have said ends with the server | `rights::who_was_shown_out_is_out_after_a_restart` |
//! | `reader` | readers are held back by their clients alone | `rights::a_reader_is_held_back_here_and_not_in_the_client` |
//! | `order` | anybody may say what others may do | `server::room::tests::only_a_host_says_…` |
//! | `foreign` | agents are not bound to connections | `server::room::tests::an_agent_that_edits_here_…` |
//! | `exposed` | without tokens it listens anywhere | `rights::without_tokens_nobody_is_served_beyond_loopback` |
//! | `greeting` | strangers may send as much as members | `attacks::four_kib_before_hello` |
//! | `defaults` | tungstenite's own limits | `attacks::messages_beyond_the_limit` |
//! | `handshake` | the door waits a thousand times longer | `attacks::slowloris` |
//! | `address` | addresses are not counted | `attacks::one_address_has_so_many_connections` |
//! | `acked` | what has come is acknowledged before it is on the disk | `kill::kills_at_any_moment` |
//! | `queue` | a queue takes whatever comes | `load::a_slow_reader_costs_no_memory` |
//! | `sent` | a client that comes back takes what it has sent for what the server has | `soak::people_behind_a_bad_network` |
//! | `leak` | each connection leaves 4 MiB behind | `soak::people_behind_a_bad_network` |
//! | `resync` | what did not fit a queue is not made up for | `simulation::storm::people_come_together` |
//! | `log` | a log names the room | `http::logs_hold_nothing_that_was_typed` |
//! | `synced` | a room is answered for before it is loaded | `together::nobody_is_told_synced_before_the_room_is_loaded` |
//! | `twice` | a join is sent the document twice | `together::a_join_that_loads_the_room_is_sent_it_once` |

mod cast;
mod crowd;
mod program;
mod proxy;

mod attacks;
mod dict;
mod doors;
mod faults;
mod http;
mod kill;
mod load;
mod rights;
mod soak;
mod starts;
mod tls;
mod together;
