//! Cede in a real repository: histories and plain JSON are merged by git, and shown by it.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CEDE: &str = env!("CARGO_BIN_EXE_cede-under-test");

/// What README.md has users write, and what git reads here.
const ATTRIBUTES: &str = "*.cede merge=cede diff=cede\n*.json merge=cede\n";

struct Repository(tempfile::TempDir);

impl Repository {
    /// With git set up as README.md says, and these files committed.
    fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self(tempfile::tempdir().expect("a folder"));
        repository.git(&["init", "-q", "-b", "main"]);
        repository.git(&["config", "user.name", "Ann"]);
        repository.git(&["config", "user.email", "ann@example.org"]);
        repository.git(&["config", "merge.cede.driver", &format!("'{CEDE}' git-merge %O %A %B %P")]);
        repository.git(&["config", "diff.cede.textconv", &format!("'{CEDE}' git-textconv")]);
        repository.write(".gitattributes", ATTRIBUTES);
        files.iter().for_each(|(name, text)| repository.write(name, text));
        repository.commit();
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("read")
    }

    fn try_git(&self, words: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.args(words).current_dir(self.path());
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        git.output().expect("git is installed")
    }

    fn git(&self, words: &[&str]) -> String {
        let output = self.try_git(words);
        assert!(output.status.success(), "git {words:?}: {}", said(&output));
        said(&output)
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "a step"]);
    }

    fn cede(&self, words: &[&str]) -> String {
        let output = Command::new(CEDE).args(words).current_dir(self.path()).output().expect("started");
        assert!(output.status.success(), "cede {words:?}: {}", said(&output));
        said(&output)
    }

    /// One change on a branch, one here, each committed; then the merge.
    fn merge(&self, theirs: impl Fn(&Self), ours: impl Fn(&Self)) -> Output {
        self.git(&["checkout", "-q", "-b", "branch"]);
        theirs(self);
        self.commit();
        self.git(&["checkout", "-q", "main"]);
        ours(self);
        self.commit();
        self.try_git(&["merge", "-q", "--no-edit", "branch"])
    }
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// A text that somebody changes with any editor, opened in ours by turns: what its history says then.
#[cfg(unix)]
impl Repository {
    fn opened(&self, text: &str) -> String {
        use cede_tests::terminal::desk::{SIZE, quit, wait_until_open};
        use cede_tests::terminal::{Command, Terminal};
        self.write("notes.md", text);
        let editor = Terminal::spawn("Ann", &Command::new(Path::new(CEDE), self.path()).arg("notes.md"), SIZE);
        wait_until_open(&editor);
        // Its last line is on the screen when the file has been taken in.
        editor.wait_for_text(text.lines().last().expect("a line"));
        quit(editor);
        self.cede(&["cat", "notes.md.cede"])
    }
}

/// Catches a difference that was taken from what one side had saved: Ben's word came doubled, and his paragraph twice.
#[cfg(unix)]
#[test]
fn a_text_whose_conflict_was_resolved_by_hand_opens_as_it_was_resolved() {
    let repository = Repository::with(&[]);
    repository.opened("The quick fox\n");
    repository.commit();
    let merged = repository.merge(
        |branch| drop(branch.opened("The lazy fox\n\nA paragraph of Ben's.\n")),
        |main| drop(main.opened("The slow fox\n")),
    );
    assert_eq!(merged.status.code(), Some(1), "{}", said(&merged));
    assert_eq!(repository.git(&["status", "--porcelain"]), "UU notes.md\nM  notes.md.cede\n");
    let resolved = "The slow, lazy fox\n\nA paragraph of Ben's.\n";
    repository.write("notes.md", resolved);
    repository.commit();
    assert_eq!(repository.opened(resolved), resolved);
    assert_eq!(repository.read("notes.md"), resolved);
}

const BASE: &str = "{\n  \"name\": \"tea\",\n  \"deps\": {\n    \"b\": 1\n  },\n  \"files\": [\n    \"x\"\n  ]\n}\n";

#[test]
fn changes_of_one_json_file_on_two_branches_are_merged_by_path() {
    let repository = Repository::with(&[("a.json", BASE)]);
    let merged = repository.merge(
        |branch| branch.write("a.json", &BASE.replace("\"b\": 1", "\"b\": 2")),
        // The same lines as git compares them.
        |main| {
            main.write(
                "a.json",
                &BASE.replace("\"b\": 1", "\"b\": 1,\n    \"c\": 3").replace("\"x\"", "\"x\",\n    \"y\""),
            )
        },
    );
    assert!(merged.status.success(), "{}", said(&merged));
    let expected = BASE.replace("\"b\": 1", "\"b\": 2,\n    \"c\": 3").replace("\"x\"", "\"x\",\n    \"y\"");
    assert_eq!(repository.read("a.json"), expected);
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
}

#[test]
fn two_values_at_one_path_are_a_conflict_with_marks_and_the_path_is_named() {
    let repository = Repository::with(&[("a.json", BASE)]);
    let merged = repository.merge(
        |branch| branch.write("a.json", &BASE.replace("\"b\": 1", "\"b\": 2").replace("tea", "milk")),
        |main| main.write("a.json", &BASE.replace("\"b\": 1", "\"b\": 3")),
    );
    assert_eq!(merged.status.code(), Some(1), "{}", said(&merged));
    let told = said(&merged);
    assert!(told.contains("conflicts in a.json") && told.contains("/deps/b: ours 3, theirs 2"), "{told}");
    assert_eq!(repository.git(&["status", "--porcelain"]), "UU a.json\n");
    let marks = "<<<<<<< ours\n    \"b\": 3\n=======\n    \"b\": 2\n>>>>>>> theirs\n";
    assert_eq!(repository.read("a.json"), BASE.replace("    \"b\": 1\n", marks).replace("tea", "milk"));
}

#[test]
fn histories_of_two_branches_are_united_and_their_differences_shown() {
    let repository = Repository::with(&[]);
    repository.cede(&["dict", "d.cede", "set", "colour", "\"blue\""]);
    repository.commit();
    let merged = repository.merge(
        |branch| drop(branch.cede(&["dict", "d.cede", "set", "theirs", "[1, 2]"])),
        |main| {
            main.cede(&["dict", "d.cede", "set", "ours", "{\"a\": 1}"]);
            let diff = main.git(&["diff"]);
            assert!(diff.contains("+  \"ours\": {") && !diff.contains("Binary"), "{diff}");
        },
    );
    assert!(merged.status.success(), "{}", said(&merged));
    let value: Value = serde_json::from_str(&repository.cede(&["cat", "d.cede"])).expect("JSON");
    assert_eq!(value, json!({"colour": "blue", "ours": {"a": 1}, "theirs": [1, 2]}));
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
}

#[test]
fn what_is_no_json_is_left_to_the_user() {
    let repository = Repository::with(&[("a.json", BASE)]);
    let merged = repository.merge(
        |branch| branch.write("a.json", "{\"name\": "),
        |main| main.write("a.json", &BASE.replace("tea", "milk")),
    );
    assert_eq!(merged.status.code(), Some(1));
    assert!(said(&merged).contains("EOF while parsing a value at line 1 column"), "{}", said(&merged));
    assert_eq!(repository.read("a.json"), BASE.replace("tea", "milk"));
}

#[test]
fn the_readme_says_what_is_tried_here() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("README.md");
    let lines = ["cede git-merge %O %A %B %P", "cede git-textconv"].into_iter().chain(ATTRIBUTES.lines());
    lines.for_each(|line| assert!(readme.contains(line), "README.md lacks {line}"));
}
