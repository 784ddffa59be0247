//! Imports run downwards only: between the rooms of the engine, and between packages.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the engine, from the ground up; those on one line know nothing of each other.
const ROOMS: &[&[&str]] = &[
    // Of unit tests alone.
    &["random"],
    &["rle", "tree", "codec"],
    &["id"],
    &["graph"],
    &["log"],
    &["sequence"],
    &["text", "json", "dict"],
    &["replay", "sync", "storage"],
    &["anchor", "undo", "document"],
    &["session"],
];

/// The side doors never look into values.
const BLIND: &[&str] = &["sync", "storage"];
const VALUES: &[&str] = &["sequence", "text", "json", "dict", "replay"];

/// The packages, and which others each may know.
const PACKAGES: &[(&str, &[&str])] =
    &[("engine", &[]), ("network-example", &["cede"]), ("tui-demo", &["cede", "cede_net"])];

#[test]
fn no_import_of_the_engine_runs_upwards() {
    let mut wrong = Vec::new();
    let sources = root().join("engine/src");
    let files = rust_files(&sources);
    for file in &files {
        let room = room_of(file.strip_prefix(&sources).expect("a file of the engine"));
        if room != "lib" {
            let text = fs::read_to_string(file).expect("a source file");
            wrong.extend(
                upward_imports(&room, &text).into_iter().map(|to| format!("{}: {room} → {to}", file.display())),
            );
        }
    }
    assert!(files.len() > 20, "only {} files were found in {}", files.len(), sources.display());
    assert!(wrong.is_empty(), "imports that run upwards:\n{}", wrong.join("\n"));
}

#[test]
fn an_upward_import_is_seen() {
    assert_eq!(upward_imports("graph", "use crate::id::Local;\nuse crate::{log::Log, rle};\n"), ["log"]);
    assert_eq!(upward_imports("sync", "fn f(text: crate::text::buffer::Buffer) {}"), ["text"]);
    assert_eq!(upward_imports("text", "//! as `crate::session` does\nuse crate::log::Contents;"), [""; 0]);
    assert_eq!(upward_imports("tree", "use crate::attic::Trunk;"), ["attic"]);
}

#[test]
fn no_package_knows_one_above_it() {
    for (package, known) in PACKAGES {
        for file in rust_files(&root().join(package).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            for other in ["cede", "cede_net", "cede_tui", "cede_tests"] {
                let own = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("a manifest");
                let is_self = own.contains(&format!("name = \"{}\"", other.replace('_', "-")));
                if !is_self && !known.contains(&other) {
                    let found = code_lines(&text).any(|line| line.contains(&format!("{other}::")));
                    assert!(!found, "{} knows {other}", file.display());
                }
            }
        }
    }
}

/// The rooms that a source file names although they are not below its own.
fn upward_imports(room: &str, source: &str) -> Vec<String> {
    let mut upward = Vec::new();
    let own = floor_of(room).unwrap_or_else(|| panic!("{room} is no room of the house; give it a floor"));
    for line in code_lines(source) {
        for (at, _) in line.match_indices("crate::") {
            let path = &line[at + "crate::".len()..];
            for to in named(path) {
                let below = floor_of(&to).is_some_and(|floor| floor < own);
                let blind = BLIND.contains(&room) && VALUES.contains(&to.as_str());
                if to != room && (!below || blind) {
                    upward.push(to);
                }
            }
        }
    }
    upward
}

/// The first names of a path: several where it starts with braces.
fn named(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    match path.strip_prefix('{') {
        Some(list) => list.split(['}', ';']).next().unwrap_or("").split(',').map(name).collect(),
        None => vec![name(path)],
    }
}

fn code_lines(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn floor_of(room: &str) -> Option<usize> {
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

fn room_of(path: &Path) -> String {
    let first = path.components().next().expect("a path below src").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}
