//! Unit files from a directory.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::{Files, MOST_UNITS, ini};
use crate::supervisor::unit::Relation;

impl Files {
    /// All unit files of a directory: `*.service`, `*.socket`, `*.target` and `*.toml`; drop-ins in `NAME.d/*.conf`; links in
    /// `NAME.wants/` and `NAME.requires/`. A file that can't be read is told with the others' faults.
    ///
    /// # Errors
    ///
    /// Of the directory itself.
    pub fn read_dir(dir: &Path) -> io::Result<Files> {
        let mut files = Files::new();
        for (path, name) in sorted(dir)? {
            if path.is_dir() {
                if let Some(owner) = name.strip_suffix(".d") {
                    files.read_drop_ins(owner, &path);
                } else if let Some(owner) = name.strip_suffix(".wants") {
                    files.read_links(owner, Relation::Wants, &path);
                } else if let Some(owner) = name.strip_suffix(".requires") {
                    files.read_links(owner, Relation::Requires, &path);
                }
            } else if [".service", ".socket", ".target", ".toml"].iter().any(|suffix| name.ends_with(suffix)) {
                match text(&path) {
                    Ok(text) => files.add(&path, &text),
                    Err(error) => files.refuse(&path, error.to_string()),
                }
            }
        }
        Ok(files)
    }

    fn read_drop_ins(&mut self, owner: &str, dir: &Path) {
        let all = sorted(dir).unwrap_or_else(|error| {
            self.refuse(dir, error.to_string());
            Vec::new()
        });
        for (path, _) in all.into_iter().filter(|(_, name)| name.ends_with(".conf")) {
            match text(&path) {
                Ok(text) => self.add_drop_in(owner, &path, &text),
                Err(error) => self.refuse(&path, error.to_string()),
            }
        }
    }

    fn read_links(&mut self, owner: &str, relation: Relation, dir: &Path) {
        match sorted(dir) {
            Ok(all) => self.links.extend(all.into_iter().map(|(_, name)| (owner.to_owned(), relation, name))),
            Err(error) => self.refuse(dir, error.to_string()),
        }
    }
}

/// What is in a directory, by name.
fn sorted(dir: &Path) -> io::Result<Vec<(std::path::PathBuf, String)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)?.take(4 * MOST_UNITS) {
        let entry = entry?;
        all.push((entry.path(), entry.file_name().to_string_lossy().into_owned()));
    }
    all.sort();
    Ok(all)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(ini::LONGEST as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
