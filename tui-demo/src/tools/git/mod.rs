//! What git calls: a merge driver and a text for its differences.
//!
//! Knows which files git hands over and what it expects back: the result in the place of ours, and an exit code that
//! says whether anything is left to be decided. Histories unite and never conflict; plain JSON is merged by path.
//! `three_way` merges values, `layout` keeps the look of a JSON text.

mod layout;
mod three_way;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::merge::Beside;
use super::{ToolError, merge, values};
use layout::Layout;

/// What a history file begins with.
const HISTORY: &[u8] = b"CEDElog";

/// The three files of a merge, as git names them: `%O %A %B`, and `%P` for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// What both come from; empty when both have made the file.
    pub base: PathBuf,
    /// What is here. The result takes its place.
    pub ours: PathBuf,
    /// What is merged.
    pub theirs: PathBuf,
    /// What the file is called.
    pub name: Option<String>,
}

/// Merges, and leaves the result in the place of ours. Where both sides put different values at one path, each is left in
/// the file between the marks that git users know, and it is an error that names the paths.
pub(super) fn merge(sides: &Sides, notices: &mut impl Write) -> Result<(), ToolError> {
    let [base, ours, theirs] = [read(&sides.base)?, read(&sides.ours)?, read(&sides.theirs)?];
    if ours.starts_with(HISTORY) || theirs.starts_with(HISTORY) {
        return merge::unite(&[sides.ours.clone(), sides.theirs.clone()], &sides.ours, Beside::AllTexts, notices)
            .map(drop);
    }
    // Added on both sides, there is no base.
    let base = if base.trim_ascii().is_empty() { None } else { Some(parsed(&sides.base, &base)?) };
    let [left, right] = [parsed(&sides.ours, &ours)?, parsed(&sides.theirs, &theirs)?];
    let merged = three_way::merge(base.as_ref(), &left, &right)
        .map_err(|source| ToolError::Json { path: sides.ours.clone(), source })?;
    let layout = Layout::of(&ours, &theirs).map_err(|error| not_json(&sides.ours, &error))?;
    let text = match merged.clashes.is_empty() {
        true => layout.print(&merged.value),
        false => marked(&layout.print(&merged.ours), &layout.print(&merged.theirs)),
    };
    fs::write(&sides.ours, text).map_err(|source| ToolError::Unwritable { path: sides.ours.clone(), source })?;
    if merged.clashes.is_empty() {
        return Ok(());
    }
    let name = sides.name.clone().unwrap_or_else(|| sides.ours.display().to_string());
    Err(ToolError::Conflicts { name, conflicts: merged.clashes })
}

/// Prints what a history says, or a plain JSON file as it would be with sorted keys.
pub(super) fn textconv(path: &Path, out: &mut impl Write, notices: &mut impl Write) -> Result<(), ToolError> {
    let bytes = read(path)?;
    if bytes.starts_with(HISTORY) {
        return super::cat(path, None, out, notices);
    }
    values::print(&parsed(path, &bytes)?, out)
}

fn read(path: &Path) -> Result<Vec<u8>, ToolError> {
    fs::read(path).map_err(|source| ToolError::Unreadable { path: path.to_owned(), source })
}

fn parsed(path: &Path, text: &[u8]) -> Result<Value, ToolError> {
    serde_json::from_slice(text).map_err(|error| not_json(path, &error))
}

fn not_json(path: &Path, error: &serde_json::Error) -> ToolError {
    ToolError::NotJson { path: path.to_owned(), what: error.to_string() }
}

/// Two texts as one, with git's marks around the lines that differ.
fn marked(ours: &str, theirs: &str) -> String {
    let lines = |text: &str| -> Vec<String> { text.lines().map(|line| format!("{line}\n")).collect() };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let mut text = String::new();
    for op in capture_diff_slices(Algorithm::Myers, &ours, &theirs) {
        let (left, right) = (ours[op.old_range()].concat(), theirs[op.new_range()].concat());
        if matches!(op, DiffOp::Equal { .. }) {
            text.push_str(&left);
        } else {
            text.push_str(&format!("<<<<<<< ours\n{left}=======\n{right}>>>>>>> theirs\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base, ours and theirs merged through files; the text left, and the conflicts.
    fn merged(base: &str, ours: &str, theirs: &str) -> (String, Result<(), String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let sides = Sides {
            base: file("base", base),
            ours: file("ours", ours),
            theirs: file("theirs", theirs),
            name: Some("a.json".to_owned()),
        };
        let done = merge(&sides, &mut Vec::new()).map_err(|error| error.to_string());
        (fs::read_to_string(&sides.ours).unwrap(), done)
    }

    #[test]
    fn what_each_side_changed_is_there_and_the_look_stays() {
        let base = "{\n  \"version\": 1,\n  \"deps\": {\"b\": 1},\n  \"files\": [\"x\", \"y\"]\n}\n";
        let ours = base.replace("\"version\": 1", "\"version\": 2");
        let theirs = base.replace("{\"b\": 1}", "{\"b\": 1, \"a\": 7}").replace("\"y\"", "\"y\", \"z\"");
        let expected = "{\n  \"version\": 2,\n  \"deps\": {\n    \"b\": 1,\n    \"a\": 7\n  },\n  \"files\": [\n    \"x\",\n    \
                        \"y\",\n    \"z\"\n  ]\n}\n";
        assert_eq!(merged(base, &ours, &theirs), (expected.to_owned(), Ok(())));
    }

    #[test]
    fn different_values_at_one_path_stand_between_marks_and_the_path_is_named() {
        let (text, done) = merged(
            "{\"a\":{\"b\":1},\"c\":0}",
            "{\n  \"a\": {\"b\": 2},\n  \"c\": 0\n}\n",
            "{\"a\":{\"b\":3},\"c\":9}",
        );
        let marks =
            "{\n  \"a\": {\n<<<<<<< ours\n    \"b\": 2\n=======\n    \"b\": 3\n>>>>>>> theirs\n  },\n  \"c\": 9\n}\n";
        assert_eq!(text, marks);
        let error = done.unwrap_err();
        assert!(error.contains("a.json") && error.contains("/a/b: ours 2, theirs 3"), "{error}");
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict() {
        assert_eq!(merged("{\"a\":1}", "{\"a\":2}", "{\"a\":2}"), ("{\"a\":2}".to_owned(), Ok(())));
    }

    #[test]
    fn an_array_at_the_root_and_a_file_that_both_have_added_are_merged() {
        assert_eq!(merged("[1,2]", "[0,1,2]", "[1,2,3]"), ("[0,1,2,3]".to_owned(), Ok(())));
        assert_eq!(merged("", "{\"a\":1}\n", "{\"b\":2}\n"), ("{\"a\":1,\"b\":2}\n".to_owned(), Ok(())));
    }

    #[test]
    fn a_value_and_an_object_at_one_path_are_a_conflict() {
        let (_, done) = merged("{\"k\":{\"x\":1}}", "{\"k\":5}", "{\"k\":{\"x\":2}}");
        assert!(done.unwrap_err().contains("/k: ours 5, theirs {\"x\":2}"));
    }

    #[test]
    fn what_is_no_json_changes_nothing_and_is_named_with_its_place() {
        let (text, done) = merged("{}", "{\"a\": 1}", "{\"a\": ");
        assert_eq!(text, "{\"a\": 1}");
        let error = done.unwrap_err();
        assert!(error.contains("theirs") && error.contains("line 1 column"), "{error}");
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let error = merged("[]", "[]", &deep).1.unwrap_err();
        assert!(error.contains("recursion limit") && error.contains("column"), "{error}");
    }
}
