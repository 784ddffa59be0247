//! The input: integers of 64 bits that ascend, as a JSON array or one a line.
//!
//! What a merge puts out is one a line, so it can be the input of the next one.

use std::path::Path;

use super::error::MailboxError;

/// How much of a line that is no number is repeated in an error.
const SHOWN: usize = 40;

/// The values of a file, ascending; equal ones stay.
///
/// # Errors
/// What is no integer, with line and column; the first value that is smaller than the one before it, with its index.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<i64>, MailboxError> {
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let values = if is_json {
        serde_json::from_slice(bytes).map_err(|source| MailboxError::Json { path: path.to_owned(), source })?
    } else {
        by_lines(path, bytes)?
    };
    match values.iter().zip(values.iter().skip(1)).position(|(before, value)| value < before) {
        None => Ok(values),
        Some(at) => {
            let value = |index: usize| values.get(index).copied().unwrap_or_default();
            let (value, before) = (value(at + 1), value(at));
            Err(MailboxError::Unsorted { path: path.to_owned(), index: at + 1, value, before })
        }
    }
}

/// One a line; empty lines say nothing.
fn by_lines(path: &Path, bytes: &[u8]) -> Result<Vec<i64>, MailboxError> {
    let lines =
        bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).zip(1..).filter(|(line, _)| !line.is_empty());
    let number = |(line, number): (&[u8], usize)| {
        let found = || String::from_utf8_lossy(line).chars().take(SHOWN).collect();
        let value = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
        value.ok_or_else(|| MailboxError::Line { path: path.to_owned(), line: number, found: found() })
    };
    lines.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_an_array_or_one_a_line() {
        let cases: [(&str, &[i64]); 7] = [
            ("[1, 2, 2]", &[1, 2, 2]),
            (" \n[-9223372036854775808,\n9223372036854775807]", &[i64::MIN, i64::MAX]),
            ("[]", &[]),
            ("", &[]),
            ("-3\n\n 4 \r\n4", &[-3, 4, 4]),
            ("7\n", &[7]),
            ("\n", &[]),
        ];
        for (text, values) in cases {
            assert_eq!(parse(Path::new("x"), text.as_bytes()).unwrap(), values, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let cases = [
            ("[1, 2", "dir/x: EOF while parsing a list at line 1 column 5"),
            ("[1,\n 2.5]", "dir/x: invalid type: floating point `2.5`, expected i64 at line 2 column 4"),
            ("[1] 2", "dir/x: trailing characters at line 1 column 5"),
            ("[9223372036854775808]", "line 1 column 20"),
            ("1\ntwo\n", "dir/x: line 2 is no integer of 64 bits: \"two\""),
            ("1\n9223372036854775808", "dir/x: line 2 is no integer"),
            ("{\"a\": 1}", "dir/x: line 1 is no integer"),
            ("[1, 5, 4]", "dir/x: not sorted: the value at index 2 is 4, the one before it 5"),
            ("3\n2", "dir/x: not sorted: the value at index 1 is 2, the one before it 3"),
        ];
        for (text, message) in cases {
            let error = parse(Path::new("dir/x"), text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
