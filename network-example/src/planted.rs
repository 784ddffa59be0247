//! Bugs that can be planted to see that tests find them: with the feature `planted` the variable `PLANTED` names one.
//!
//! Without the feature there is nothing of it in the program, and with it no optimised one is built.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` opens doors on purpose; it is for tests alone");

/// Whether the bug of this name is planted.
#[cfg(feature = "planted")]
pub(crate) fn planted(name: &str) -> bool {
    static NAMED: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("PLANTED").unwrap_or_default());
    *NAMED == name
}

/// Never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn planted(_: &str) -> bool {
    false
}
