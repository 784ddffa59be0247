//! What becomes of a text that is kept nowhere when its editor is ended from outside: the terminal is closed, the machine
//! shuts down. Nobody can be asked for a name then, so it gets one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::files::history::{History, HistoryError};
use crate::files::history_path;
use crate::files::resume::Resume;
use crate::files::text::{self, Form, TextError};

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
        if fs::symlink_metadata(&path).is_ok() || fs::symlink_metadata(history_path(&path)).is_ok() {
            continue;
        }
        // Whoever is ended at the same moment in the same folder gets the name or the next one.
        match History::open(&history_path(&path), |_| {}) {
            Ok((history, loaded)) if loaded.document.is_new() => {
                return write(&path, history, app).map(|()| path).map_err(|error| error.to_string());
            }
            Ok(_) | Err(HistoryError::Locked) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("there are {MOST} texts that were kept so already"))
}

fn write(path: &Path, mut history: History, app: &App) -> Result<(), TextError> {
    let document = app.session().document();
    history.rewrite(document, Resume { saved: vec![document.frontier()], ..app.whole_resume() });
    text::write(path, &document.text().to_string(), Form::default())?;
    // Where only the text can be kept, it is what counts.
    let _ = history.sync();
    Ok(())
}
