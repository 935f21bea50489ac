//! Which rules somebody wants to see, or to be rid of.

use bytestring::ByteString;

use super::rule::{ANY, Operation, PatternType, Permission, ResourceType, Rule};

/// How the name in a [`Filter`] is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patterns {
    /// Rules of both kinds whose name is this one.
    Any,
    /// Rules of both kinds that say something about the resource of this name.
    Match,
    /// Rules of one kind whose name is this one.
    Only(PatternType),
}

impl Patterns {
    /// What has this number in the protocol.
    pub const fn of_code(code: i8) -> Option<Patterns> {
        match code {
            1 => Some(Patterns::Any),
            2 => Some(Patterns::Match),
            _ => match PatternType::of_code(code) {
                Some(one) => Some(Patterns::Only(one)),
                None => None,
            },
        }
    }
}

/// Some rules: where it says nothing, all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What they are about.
    pub resource_type: Option<ResourceType>,
    /// How the name is meant.
    pub patterns: Patterns,
    /// The name of the resource.
    pub name: Option<ByteString>,
    /// Whom they are about, word by word: `User:*` finds rules about everybody, and no others.
    pub principal: Option<ByteString>,
    /// The host, word by word.
    pub host: Option<ByteString>,
    /// The operation, word by word.
    pub operation: Option<Operation>,
    /// What they say.
    pub permission: Option<Permission>,
}

impl Default for Filter {
    fn default() -> Self {
        Filter {
            resource_type: None,
            patterns: Patterns::Any,
            name: None,
            principal: None,
            host: None,
            operation: None,
            permission: None,
        }
    }
}

fn fits<T: PartialEq>(wanted: &Option<T>, is: &T) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == is)
}

impl Filter {
    /// Whether this is one of them.
    pub fn finds(&self, rule: &Rule) -> bool {
        fits(&self.resource_type, &rule.resource_type)
            && self.finds_name(rule.pattern_type, &rule.name)
            && fits(&self.principal, &rule.principal)
            && fits(&self.host, &rule.host)
            && fits(&self.operation, &rule.operation)
            && fits(&self.permission, &rule.permission)
    }

    fn finds_name(&self, kind: PatternType, name: &ByteString) -> bool {
        match (self.patterns, &self.name) {
            (Patterns::Only(wanted), _) if wanted != kind => false,
            (_, None) => true,
            (Patterns::Any | Patterns::Only(_), Some(wanted)) => wanted == name,
            (Patterns::Match, Some(wanted)) => match kind {
                PatternType::Literal => name == wanted || *name == *ANY,
                PatternType::Prefixed => wanted.starts_with(&**name),
            },
        }
    }
}
