//! `.backup`: a copy of the database in a file of its own.

use super::{Outcome, Usage, complain};
use crate::shell::Shell;

pub(super) fn backup(shell: &mut Shell, args: &[String]) -> Outcome {
    let file = match args {
        [file] => file,
        [db, file] if db == "main" => file,
        [db, _] => return Ok(complain(shell, &format!("Error: unknown database {db}"))),
        _ => return Err(Usage),
    };
    match shell.db.execute("VACUUM INTO ?1", [file.as_str()]) {
        Ok(_) => Ok(true),
        Err(failure) => Ok(complain(shell, &format!("Error: {}", failure.message()))),
    }
}
