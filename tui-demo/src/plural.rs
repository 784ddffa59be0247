//! Numbers of things, as they are said.
//!
//! Knows the regular plural and nothing of what is counted.

/// `1 line`, `2 lines`.
#[must_use]
pub fn counted(count: u64, of: &str) -> String {
    match count {
        1 => format!("1 {of}"),
        count => format!("{count} {of}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_alone_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "line")), ["0 lines", "1 line", "2 lines"]);
    }
}
