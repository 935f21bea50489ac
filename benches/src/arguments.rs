//! The arguments that the benchmarks have in common.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

/// What most of them are told.
#[derive(Default)]
pub(crate) struct Arguments {
    /// `--quick`: less of everything.
    pub(crate) quick: bool,
    /// `--json FILE`: where the figures go.
    pub(crate) json: Option<File>,
}

/// Reads the arguments that follow a benchmark's name. Those that are its own go to `own`, which says whether it knows them;
/// nothing comes back where `help` was asked for, and printed.
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    help: &str,
    mut own: impl FnMut(&str, &mut Parser) -> Result<bool, Box<dyn Error>>,
) -> Result<Option<Arguments>, Box<dyn Error>> {
    let mut arguments = Arguments::default();
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        let name = match arg {
            Arg::Long(name) => name.to_owned(),
            other => return Err(other.unexpected().into()),
        };
        match &*name {
            "help" => {
                print!("{help}");
                return Ok(None);
            }
            "quick" => arguments.quick = true,
            "json" => arguments.json = Some(File::create(parser.value()?.parse::<PathBuf>()?)?),
            name if own(name, &mut parser)? => {}
            name => return Err(Arg::Long(name).unexpected().into()),
        }
    }
    Ok(Some(arguments))
}

/// For a benchmark that has no arguments of its own.
pub(crate) fn none(_: &str, _: &mut Parser) -> Result<bool, Box<dyn Error>> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_common_are_understood_and_others_are_the_benchmarks_own() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let mut rounds = 0;
        let mut own = |name: &str, parser: &mut Parser| {
            let known = name == "rounds";
            if known {
                rounds = parser.value()?.parse()?;
            }
            Ok(known)
        };
        let read = parse(words("--rounds 7 --quick"), "", &mut own).unwrap().unwrap();
        assert!(read.quick && read.json.is_none());
        let wrong = parse(words("--quick --round 7"), "", &mut own).err().unwrap();
        assert_eq!(wrong.to_string(), "invalid option '--round'");
        assert!(parse(words("quick"), "", none).is_err() && parse(words("--rounds"), "", own).is_err());
        assert_eq!(rounds, 7);
    }
}
