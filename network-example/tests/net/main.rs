//! Real servers and real clients on loopback. Nothing sleeps to wait: each wait ends with what it waits for.

mod cast;

mod doors;
mod faults;
mod together;
