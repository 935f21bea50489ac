//! A command line, and the variables in it.

/// One command of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exec {
    /// What is executed: a path, or a name to look for.
    pub program: String,
    /// Its words, with the one that it sees as its own name; variables are still in them.
    pub argv: Vec<String>,
    /// Whether its failure counts as none (`-`).
    pub ignore_failure: bool,
    /// Whether variables stay as they are (`:`).
    pub no_expansion: bool,
    /// Whether it runs without the unit's user and groups (`+` and `!`).
    pub full_privileges: bool,
}

impl Exec {
    /// A command of these words.
    pub fn new<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Exec {
        let argv: Vec<String> = words.into_iter().map(Into::into).collect();
        Exec { program: argv.first().cloned().unwrap_or_default(), argv, ..Exec::default() }
    }
}

/// Words with the variables of an environment in them: `${NAME}` anywhere in a word, `$NAME` as a word of its own, which becomes
/// as many words as it has, `$$` as a dollar. What isn't set is empty.
///
/// ```
/// use xs_os::supervisor::expand;
///
/// let env = |name: &str| (name == "OPTS").then(|| "-v  -x".to_owned());
/// let words = ["run", "$OPTS", "a${OPTS}b", "$$5", "$NONE"].map(String::from);
/// assert_eq!(expand(&words, env), ["run", "-v", "-x", "a-v  -xb", "$5"]);
/// ```
pub fn expand(words: &[String], env: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        match word.strip_prefix('$') {
            Some(name) if is_name(name) => {
                all.extend(env(name).unwrap_or_default().split_whitespace().map(String::from));
            }
            _ => all.push(within(word, &env)),
        }
    }
    all
}

fn within(word: &str, env: &impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(more) = after.strip_prefix('$') {
            out.push('$');
            rest = more;
        } else if let Some((name, more)) = after.strip_prefix('{').and_then(|braced| braced.split_once('}'))
            && is_name(name)
        {
            out.push_str(&env(name).unwrap_or_default());
            rest = more;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

/// Whether a variable can have this name.
pub(in crate::supervisor) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_variable_stays() {
        let env = |name: &str| Some(format!("<{name}>"));
        let words = ["$", "a$", "${", "${1}", "$1", "x$A", "${A", "$${A}", "$$$$", "${A}${B}"].map(String::from);
        let expected = ["$", "a$", "${", "${1}", "$1", "x$A", "${A", "${A}", "$$", "<A><B>"];
        assert_eq!(expand(&words, env), expected);
    }
}
