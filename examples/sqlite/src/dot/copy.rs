//! `.backup`: a copy of the database in a file of its own.

use super::{Outcome, Usage, complain};
use crate::shell::Shell;

pub(super) fn backup(shell: &mut Shell, args: &[String]) -> Outcome {
    let (db, file) = match args {
        [file] => ("main", file),
        [db, file] => (db.as_str(), file),
        _ => return Err(Usage),
    };
    let sql = format!("VACUUM \"{}\" INTO ?1", db.replace('"', "\"\""));
    match shell.db.execute(&sql, [file.as_str()]) {
        Ok(_) => Ok(true),
        Err(failure) => Ok(complain(shell, &format!("Error: {}", failure.message()))),
    }
}
