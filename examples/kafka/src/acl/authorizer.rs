//! The rules in force, and what they come to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytestring::ByteString;

use super::filter::Filter;
use super::rule::{ANY, EVERYBODY, Operation, PatternType, Permission, ResourceType, Rule};

/// Who asks, from where.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `User:` and a name.
    pub principal: &'a str,
    /// The address, as text.
    pub host: &'a str,
}

/// What a rule says, without the resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    principal: ByteString,
    host: ByteString,
    operation: Operation,
    permission: Permission,
}

impl Said {
    fn is_about(&self, subject: Subject<'_>) -> bool {
        (self.principal == *subject.principal || self.principal == *EVERYBODY)
            && (self.host == *subject.host || self.host == *ANY)
    }

    /// Denied by its word or by everything, allowed by what implies it, too.
    fn covers(&self, operation: Operation) -> bool {
        match self.permission {
            Permission::Allow => self.operation.implies(operation),
            Permission::Deny => self.operation == operation || self.operation == Operation::All,
        }
    }
}

type Names = BTreeMap<ByteString, BTreeSet<Said>>;

/// The rules of one kind of resource.
#[derive(Debug, Clone, Default)]
struct Kind {
    literal: Names,
    prefixed: Names,
}

impl Kind {
    fn names(&self, pattern: PatternType) -> &Names {
        match pattern {
            PatternType::Literal => &self.literal,
            PatternType::Prefixed => &self.prefixed,
        }
    }

    fn names_mut(&mut self, pattern: PatternType) -> &mut Names {
        match pattern {
            PatternType::Literal => &mut self.literal,
            PatternType::Prefixed => &mut self.prefixed,
        }
    }

    /// What is said of a resource, by its name, by `*`, and by beginnings of its name.
    fn about<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a BTreeSet<Said>> {
        let star = self.literal.get(ANY).filter(|_| name != ANY);
        self.literal.get(name).into_iter().chain(star).chain(prefixes(&self.prefixed, name))
    }
}

/// What stands under beginnings of a name, the longest first.
///
/// The last key that is not behind the name is a beginning of it, or all beginnings in front of that key are no longer than what
/// both have in common: so no more keys are looked at than there are lengths.
fn prefixes<'a>(names: &'a Names, name: &'a str) -> impl Iterator<Item = &'a BTreeSet<Said>> {
    let mut upto = Some(Bound::Included(name));
    std::iter::from_fn(move || {
        loop {
            let (key, said) = names.range::<str, _>((Bound::Unbounded, upto?)).next_back()?;
            let alike = key.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
            let alike = (0..=alike).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
            let front = &name[..alike];
            if front.len() == key.len() {
                upto = Some(Bound::Excluded(front));
                return Some(said);
            }
            upto = Some(Bound::Included(front));
        }
    })
}

/// The rules in force, in memory, without clock, disk or lock.
#[derive(Debug, Clone)]
pub struct Authorizer {
    kinds: BTreeMap<ResourceType, Kind>,
    rules: usize,
    supers: BTreeSet<ByteString>,
    /// What holds for a resource of which no rule speaks.
    unruled: Permission,
}

impl Default for Authorizer {
    fn default() -> Self {
        Authorizer::new()
    }
}

impl Authorizer {
    /// No rules: nobody may do anything.
    pub fn new() -> Authorizer {
        Authorizer { kinds: BTreeMap::new(), rules: 0, supers: BTreeSet::new(), unruled: Permission::Deny }
    }

    /// Lets a principal do everything, whatever the rules say.
    #[must_use]
    pub fn with_super_user(mut self, principal: impl Into<ByteString>) -> Authorizer {
        self.supers.insert(principal.into());
        self
    }

    /// What holds for a resource of which no rule speaks (`allow.everyone.if.no.acl.found`).
    #[must_use]
    pub fn with_unruled(mut self, permission: Permission) -> Authorizer {
        self.unruled = permission;
        self
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// Whether this rule is one of them.
    pub fn has(&self, rule: &Rule) -> bool {
        let names = self.kinds.get(&rule.resource_type).map(|kind| kind.names(rule.pattern_type));
        names.and_then(|names| names.get(&rule.name)).is_some_and(|said| said.contains(&split(rule)))
    }

    /// Adds a rule; whether it is a new one.
    pub fn add(&mut self, rule: &Rule) -> bool {
        let kind = self.kinds.entry(rule.resource_type).or_default();
        let is_new = kind.names_mut(rule.pattern_type).entry(rule.name.clone()).or_default().insert(split(rule));
        self.rules += usize::from(is_new);
        is_new
    }

    /// Removes a rule; whether it was there.
    pub fn remove(&mut self, rule: &Rule) -> bool {
        let Some(kind) = self.kinds.get_mut(&rule.resource_type) else { return false };
        let names = kind.names_mut(rule.pattern_type);
        let Some(said) = names.get_mut(&rule.name) else { return false };
        let was_there = said.remove(&split(rule));
        if said.is_empty() {
            // A resource of which nothing is said is one of which no rule speaks.
            names.remove(&rule.name);
        }
        self.rules -= usize::from(was_there);
        was_there
    }

    /// The rules that a filter wants, those about the same resource one behind the other.
    pub fn find(&self, filter: &Filter) -> Vec<Rule> {
        let mut found = Vec::new();
        for (resource_type, kind) in &self.kinds {
            for pattern_type in PatternType::ALL {
                for (name, said) in kind.names(*pattern_type) {
                    let rules = said.iter().map(|said| join(*resource_type, *pattern_type, name, said));
                    found.extend(rules.filter(|rule| filter.finds(rule)));
                }
            }
        }
        found
    }

    /// Whether the subject may do this with this resource: one denial is enough, and without a permission nothing is.
    pub fn allows(&self, subject: Subject<'_>, operation: Operation, kind: ResourceType, name: &str) -> bool {
        if self.supers.contains(subject.principal) {
            return true;
        }
        let (mut is_ruled, mut allowed) = (false, false);
        for said in self.kinds.get(&kind).into_iter().flat_map(|kind| kind.about(name)) {
            is_ruled = true;
            for said in said.iter().filter(|said| said.is_about(subject) && said.covers(operation)) {
                match said.permission {
                    Permission::Deny => return false,
                    Permission::Allow => allowed = true,
                }
            }
        }
        allowed || (!is_ruled && self.unruled == Permission::Allow)
    }

    /// Whether there may be a resource of this kind with which the subject may do this. A permission counts unless something
    /// denies all of it.
    pub fn allows_any(&self, subject: Subject<'_>, operation: Operation, kind: ResourceType) -> bool {
        if self.supers.contains(subject.principal) {
            return true;
        }
        let Some(kind) = self.kinds.get(&kind) else { return self.unruled == Permission::Allow };
        let says = |said: &BTreeSet<Said>, permission: Permission| {
            said.iter().any(|said| said.permission == permission && said.is_about(subject) && said.covers(operation))
        };
        if kind.literal.get(ANY).is_some_and(|said| says(said, Permission::Deny)) {
            return false;
        }
        let denied = |name: &str| prefixes(&kind.prefixed, name).any(|said| says(said, Permission::Deny));
        let literal = kind.literal.iter().any(|(name, said)| {
            says(said, Permission::Allow) && !says(said, Permission::Deny) && (*name == *ANY || !denied(name))
        });
        let prefixed = || kind.prefixed.iter().any(|(name, said)| says(said, Permission::Allow) && !denied(name));
        // There are always names of which no rule speaks, unless one speaks of all.
        let is_ruled = kind.literal.contains_key(ANY) || kind.prefixed.contains_key("");
        literal || prefixed() || (!is_ruled && self.unruled == Permission::Allow)
    }

    /// What the subject may do with a resource, as bits by the operations' numbers.
    pub fn operations(&self, subject: Subject<'_>, kind: ResourceType, name: &str) -> i32 {
        let allowed = kind.operations().iter().filter(|operation| self.allows(subject, **operation, kind, name));
        allowed.fold(0, |bits, operation| bits | 1 << operation.code())
    }
}

fn split(rule: &Rule) -> Said {
    let (principal, host) = (rule.principal.clone(), rule.host.clone());
    Said { principal, host, operation: rule.operation, permission: rule.permission }
}

fn join(resource_type: ResourceType, pattern_type: PatternType, name: &ByteString, said: &Said) -> Rule {
    let Said { principal, host, operation, permission } = said.clone();
    Rule { resource_type, pattern_type, name: name.clone(), principal, host, operation, permission }
}
