//! Permissions as text that could be given to `ACL SETUSER` again.

use super::User;
use super::selector::{Commands, Selector};
use crate::command::Cat;
use crate::table::{CommandId, Table};

impl User {
    /// What `ACL LIST` prints behind the user's name.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for flag in self.flags() {
            text.extend_from_slice(flag.as_bytes());
            text.push(b' ');
        }
        for password in &self.passwords {
            text.extend_from_slice(format!("#{password} ").as_bytes());
        }
        text.extend(self.root.describe());
        for selector in &self.alternatives {
            text.extend_from_slice(b" (");
            text.extend(selector.describe());
            text.push(b')');
        }
        text
    }

    /// The flags that are set, in the order in which they are printed.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitize = self.sanitize.map(|yes| if yes { "sanitize-payload" } else { "skip-sanitize-payload" });
        [Some(if self.enabled { "on" } else { "off" }), self.no_pass.then_some("nopass"), sanitize]
            .into_iter()
            .flatten()
    }
}

impl Selector {
    fn describe(&self) -> Vec<u8> {
        let mut text = self.describe_keys();
        if !text.is_empty() {
            text.push(b' ');
        }
        if !self.all_channels {
            text.extend_from_slice(b"resetchannels ");
        }
        let channels = self.describe_channels();
        if !channels.is_empty() {
            text.extend(channels);
            text.push(b' ');
        }
        text.extend(self.describe_commands());
        text
    }

    /// The key patterns, with spaces between them.
    pub(crate) fn describe_keys(&self) -> Vec<u8> {
        match self.all_keys {
            true => b"~*".to_vec(),
            false => self.keys.iter().map(|key| key.text()).collect::<Vec<_>>().join(&b' '),
        }
    }

    /// The channel patterns, with spaces between them.
    pub(crate) fn describe_channels(&self) -> Vec<u8> {
        match self.all_channels {
            true => b"&*".to_vec(),
            false => self.channels.iter().map(|channel| [b"&", &channel[..]].concat()).collect::<Vec<_>>().join(&b' '),
        }
    }

    /// The shortest rules that we know for the set of commands: all or nothing first, then whole categories as long as
    /// one fits better than not, at last what is still different, command by command. Those come in the order of the
    /// table; redis-server gives them in that of a hash table, which is another one every time it starts.
    pub(crate) fn describe_commands(&self) -> Vec<u8> {
        let additive = !self.commands.open;
        let (all, sign) = if additive { ("-@all", '+') } else { ("+@all", '-') };
        let mut rules = vec![all.as_bytes().to_vec()];
        // What the rules so far amount to, and what of the wanted set no category has accounted for yet.
        let mut reached = if additive { Commands::default() } else { Commands::all() };
        let mut left = self.commands.clone();
        let mut applied: Vec<Cat> = Vec::new();
        while let Some((category, name)) = best_category(&left, &applied, additive) {
            reached.change_category(category, additive);
            left.change_category(category, !additive);
            rules.push(format!("{sign}@{name}").into_bytes());
            applied.push(category);
        }
        for (id, row) in Table::get().rows().iter().enumerate() {
            let id = id as CommandId;
            let wanted = self.commands.has(id);
            if wanted != reached.has(id) {
                rules.push(format!("{}{}", if wanted { '+' } else { '-' }, row.full_name).into_bytes());
                reached.change(id, wanted);
            }
            if !wanted && let Some(words) = self.first_args.get(&id) {
                rules.extend(words.iter().map(|word| [format!("+{}|", row.full_name).as_bytes(), word].concat()));
            }
        }
        rules.join(&b' ')
    }
}

/// The category that says most about `left`: the fewest exceptions, and among those the most commands.
fn best_category(left: &Commands, applied: &[Cat], additive: bool) -> Option<(Cat, &'static str)> {
    let mut best = None;
    let (mut fewest, mut most) = (usize::MAX, 0);
    for (category, name) in Cat::all().filter(|(category, _)| !applied.contains(category)) {
        let (on, off) = left.count(category);
        let (different, same) = if additive { (off, on) } else { (on, off) };
        if same > different && (different < fewest || (different == fewest && same > most)) {
            best = Some((category, name));
            (fewest, most) = (different, same);
        }
    }
    best
}
