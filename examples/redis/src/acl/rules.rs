//! The rules of `ACL SETUSER`: one word each, applied in order.

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::User;
use super::selector::{Commands, KeyPattern, Selector};
use crate::command::Cat;
use crate::table::{CommandId, Table};

/// Why a rule cannot be applied, in Redis' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    InvalidHash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
}

/// The SHA-256 of a password, in lower-case hexadecimal: what is kept of it.
pub(crate) fn hash(password: &[u8]) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checked_hash(text: &[u8]) -> Result<String, RuleError> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match text.len() == 64 && text.iter().all(is_hex) {
        true => Ok(String::from_utf8_lossy(text).into_owned()),
        false => Err(RuleError::InvalidHash),
    }
}

/// Names and patterns with spaces in them could not be told apart in a description.
pub(crate) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}

/// Puts a selector together that was given as several arguments: `(+get`, `~x)`. `Err` is the index of a parenthesis that
/// is never closed.
pub(crate) fn merge_selectors<'a>(rules: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (index, rule) in rules.into_iter().enumerate() {
        if rule.first() == Some(&b'(') && rule.last() != Some(&b')') {
            open = Some((index, rule.to_vec()));
            continue;
        }
        match open.take() {
            None => merged.push(rule.to_vec()),
            Some((start, mut selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
                match rule.last() {
                    Some(b')') => merged.push(selector),
                    _ => open = Some((start, selector)),
                }
            }
        }
    }
    match open {
        Some((start, _)) => Err(start),
        None => Ok(merged),
    }
}

/// Applies one rule to a user.
pub(crate) fn apply(user: &mut User, rule: &[u8], new_selector: &Selector) -> Result<(), RuleError> {
    match rule.to_ascii_lowercase().as_slice() {
        b"" => {}
        b"on" => user.enabled = true,
        b"off" => user.enabled = false,
        b"skip-sanitize-payload" => user.sanitize = Some(false),
        b"sanitize-payload" => user.sanitize = Some(true),
        b"nopass" => {
            user.no_pass = true;
            user.passwords.clear();
        }
        b"resetpass" => {
            user.no_pass = false;
            user.passwords.clear();
        }
        b"clearselectors" => user.alternatives.clear(),
        b"reset" => {
            *user = User { sanitize: Some(true), ..User::new(&user.name, new_selector.clone()) };
        }
        _ => match *rule {
            [b'>', ref password @ ..] => add_password(user, hash(password)),
            [b'#', ref hashed @ ..] => add_password(user, checked_hash(hashed)?),
            [b'<', ref password @ ..] => remove_password(user, &hash(password))?,
            [b'!', ref hashed @ ..] => remove_password(user, &checked_hash(hashed)?)?,
            [b'(', ref inner @ .., b')'] => {
                let mut selector = new_selector.clone();
                for rule in inner.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
                    apply_to_selector(&mut selector, rule)?;
                }
                user.alternatives.push(selector);
            }
            _ => apply_to_selector(&mut user.root, rule)?,
        },
    }
    Ok(())
}

fn add_password(user: &mut User, hashed: String) {
    if !user.passwords.contains(&hashed) {
        user.passwords.push(hashed);
    }
    user.no_pass = false;
}

fn remove_password(user: &mut User, hashed: &str) -> Result<(), RuleError> {
    let at = user.passwords.iter().position(|known| known == hashed).ok_or(RuleError::NoSuchPassword)?;
    user.passwords.remove(at);
    Ok(())
}

fn apply_to_selector(selector: &mut Selector, rule: &[u8]) -> Result<(), RuleError> {
    match rule.to_ascii_lowercase().as_slice() {
        b"allkeys" | b"~*" => {
            selector.all_keys = true;
            selector.keys.clear();
        }
        b"resetkeys" => {
            selector.all_keys = false;
            selector.keys.clear();
        }
        b"allchannels" | b"&*" => {
            selector.all_channels = true;
            selector.channels.clear();
        }
        b"resetchannels" => {
            selector.all_channels = false;
            selector.channels.clear();
        }
        b"allcommands" | b"+@all" => {
            selector.commands = Commands::all();
            selector.all_commands = true;
            selector.first_args.clear();
        }
        b"nocommands" | b"-@all" => {
            selector.commands = Commands::default();
            selector.all_commands = false;
            selector.first_args.clear();
        }
        _ => match *rule {
            [b'~', ref pattern @ ..] => add_key_pattern(selector, pattern, true, true)?,
            [b'%', ref rest @ ..] => {
                if selector.all_keys {
                    return Err(RuleError::AfterAllKeys);
                }
                let sign = rest.iter().position(|&byte| byte == b'~').ok_or(RuleError::Syntax)?;
                let (read, write) = match rest[..sign].to_ascii_uppercase().as_slice() {
                    b"R" => (true, false),
                    b"W" => (false, true),
                    b"RW" | b"WR" => (true, true),
                    _ => return Err(RuleError::Syntax),
                };
                add_key_pattern(selector, &rest[sign + 1..], read, write)?;
            }
            [b'&', ref pattern @ ..] => {
                if selector.all_channels {
                    return Err(RuleError::AfterAllChannels);
                }
                if has_spaces(pattern) {
                    return Err(RuleError::Syntax);
                }
                if !selector.channels.iter().any(|known| known == pattern) {
                    selector.channels.push(pattern.to_vec());
                }
            }
            [sign @ (b'+' | b'-'), b'@', ref category @ ..] => {
                let category = self::category(category).ok_or(RuleError::Unknown)?;
                change_category(selector, category, sign == b'+');
            }
            [b'+', ref command @ ..] => allow(selector, command)?,
            [b'-', ref command @ ..] => {
                let id = lookup(command).ok_or(RuleError::Unknown)?;
                change(selector, id, false);
            }
            _ => return Err(RuleError::Syntax),
        },
    }
    Ok(())
}

fn add_key_pattern(selector: &mut Selector, pattern: &[u8], read: bool, write: bool) -> Result<(), RuleError> {
    if selector.all_keys {
        return Err(RuleError::AfterAllKeys);
    }
    if has_spaces(pattern) {
        return Err(RuleError::Syntax);
    }
    match selector.keys.iter_mut().find(|known| known.pattern == pattern) {
        Some(known) => {
            known.read |= read;
            known.write |= write;
        }
        None => selector.keys.push(KeyPattern { pattern: pattern.to_vec(), read, write }),
    }
    Ok(())
}

/// `+command`, `+container|subcommand`, or `+command|first-argument`.
fn allow(selector: &mut Selector, rule: &[u8]) -> Result<(), RuleError> {
    let Some(bar) = rule.iter().rposition(|&byte| byte == b'|') else {
        let id = lookup(rule).ok_or(RuleError::Unknown)?;
        change(selector, id, true);
        return Ok(());
    };
    let (command, word) = (&rule[..bar], &rule[bar + 1..]);
    let id = lookup(command).ok_or(RuleError::Unknown)?;
    let row = &Table::get().rows()[usize::from(id)];
    if row.parent.is_some() {
        return Err(RuleError::FirstArgOfSubcommand);
    }
    if word.is_empty() {
        return Err(RuleError::Syntax);
    }
    if !row.spec.sub.is_empty() {
        let id = lookup(rule).ok_or(RuleError::Unknown)?;
        change(selector, id, true);
        return Ok(());
    }
    let words = selector.first_args.entry(id).or_default();
    if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        words.push(word.to_vec());
    }
    Ok(())
}

pub(super) fn change(selector: &mut Selector, id: CommandId, value: bool) {
    selector.commands.change(id, value);
    selector.first_args.remove(&id);
    selector.all_commands &= value;
}

fn change_category(selector: &mut Selector, category: Cat, value: bool) {
    selector.commands.change_category(category, value);
    let rows = Table::get().rows();
    selector.first_args.retain(|&id, _| !rows[usize::from(id)].spec.categories.has(category));
    selector.all_commands &= value;
}

/// The command called `name`, or `container|subcommand`.
fn lookup(name: &[u8]) -> Option<CommandId> {
    let table = Table::get();
    let mut parts = name.split(|&byte| byte == b'|');
    let command = table.find(parts.next()?)?;
    match (parts.next(), parts.next()) {
        (None, _) => Some(command.id),
        (Some(sub), None) => table.find_sub(command, sub).map(|entry| entry.id),
        _ => None,
    }
}

/// The category called `name`, in any case.
pub(crate) fn category(name: &[u8]) -> Option<Cat> {
    Cat::all().find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(category, _)| category)
}
