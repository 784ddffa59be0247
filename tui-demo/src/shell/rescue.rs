//! What becomes of a text that is kept nowhere when its editor is ended from outside: the terminal is closed, the machine
//! shuts down. Nobody can be asked for a name then, so it gets one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cede::storage::create_private;

use crate::app::App;
use crate::files::history::History;
use crate::files::history_path;
use crate::files::resume::Resume;
use crate::files::text::{self, Form};

/// So many texts may have been kept in a folder, and not taken away, before another one is tried.
const MOST: usize = 1000;

/// Keeps the text and its history in files of their own: here, else in the home folder, else where temporary files are.
///
/// # Errors
/// Why not even the last of these has it.
pub(super) fn keep(app: &App) -> Result<PathBuf, String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let folders = [Some(PathBuf::new()), home, Some(std::env::temp_dir())];
    let mut result = Err(String::new());
    for folder in folders.into_iter().flatten() {
        result = keep_in(&folder, app);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn keep_in(folder: &Path, app: &App) -> Result<PathBuf, String> {
    for number in 1..=MOST {
        let name = if number == 1 { "cede.save".to_owned() } else { format!("cede.save.{number}") };
        let path = folder.join(name);
        if fs::symlink_metadata(history_path(&path)).is_ok() {
            continue;
        }
        // Whoever is ended at the same moment in the same folder gets another name. Nobody has said who may read it.
        match create_private(&path) {
            Ok(_) => {
                let written = write(&path, app).inspect_err(|_| {
                    // Nothing was kept in it.
                    let _ = fs::remove_file(&path);
                });
                return written.map(|()| path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("there are {MOST} texts that were kept so already"))
}

fn write(path: &Path, app: &App) -> Result<(), String> {
    let document = app.session().document();
    text::write(path, &document.text().to_string(), Form::default()).map_err(|error| error.to_string())?;
    // Where only the text can be kept, it is what counts.
    if let Ok((mut history, _)) = History::open(&history_path(path), |_| {}) {
        history.rewrite(document, Resume { saved: vec![document.frontier()], ..app.whole_resume() });
        let _ = history.sync();
    }
    Ok(())
}
