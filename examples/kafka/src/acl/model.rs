//! The authorizer beside a list of rules that is read from one end to the other for each question.

use xs_os::Rng;

use super::*;

const NAMES: [&str; 7] = ["a", "b", "ab", "aa", "ba", "*", "kafka-cluster"];
const PRINCIPALS: [&str; 3] = ["User:alice", "User:bob", "User:*"];
const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "*"];
const KINDS: [ResourceType; 2] = [ResourceType::Topic, ResourceType::Group];

fn one<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize]
}

fn maybe<T: Copy>(rng: &mut Rng, of: &[T]) -> Option<T> {
    (rng.below(2) == 0).then(|| one(rng, of))
}

fn rule(rng: &mut Rng) -> Rule {
    Rule {
        resource_type: one(rng, &KINDS),
        pattern_type: one(rng, PatternType::ALL),
        name: one(rng, &NAMES).into(),
        principal: one(rng, &PRINCIPALS).into(),
        host: one(rng, &HOSTS).into(),
        operation: one(rng, Operation::ALL),
        permission: if rng.below(3) == 0 { Permission::Deny } else { Permission::Allow },
    }
}

fn filter(rng: &mut Rng) -> Filter {
    let patterns =
        [Patterns::Any, Patterns::Match, Patterns::Only(PatternType::Literal), Patterns::Only(PatternType::Prefixed)];
    Filter {
        resource_type: maybe(rng, &KINDS),
        patterns: one(rng, &patterns),
        name: maybe(rng, &NAMES).map(Into::into),
        principal: maybe(rng, &PRINCIPALS).map(Into::into),
        host: maybe(rng, &HOSTS).map(Into::into),
        operation: None,
        permission: maybe(rng, Permission::ALL),
    }
}

/// What Kafka's documentation says, word for word.
struct Model {
    rules: Vec<Rule>,
    unruled: bool,
}

impl Model {
    fn allows(&self, subject: Subject<'_>, operation: Operation, kind: ResourceType, name: &str) -> bool {
        let speaks_of = |rule: &&Rule| {
            rule.resource_type == kind
                && match rule.pattern_type {
                    PatternType::Literal => rule.name == "*" || rule.name == name,
                    PatternType::Prefixed => name.starts_with(&*rule.name),
                }
        };
        let about: Vec<&Rule> = self.rules.iter().filter(speaks_of).collect();
        if about.is_empty() {
            return self.unruled;
        }
        let says = |permission, operations: &[Operation]| {
            about.iter().any(|rule| {
                rule.permission == permission
                    && (rule.principal == subject.principal || rule.principal == "User:*")
                    && (rule.host == subject.host || rule.host == "*")
                    && operations.contains(&rule.operation)
            })
        };
        use Operation::*;
        let enough: &[Operation] = match operation {
            Describe => &[All, Describe, Read, Write, Delete, Alter],
            DescribeConfigs => &[All, DescribeConfigs, AlterConfigs],
            _ => &[All, operation],
        };
        !says(Permission::Deny, &[All, operation]) && says(Permission::Allow, enough)
    }
}

/// All names of up to three letters, of which rules use two, and some that the other rules speak of.
fn universe() -> Vec<String> {
    let longer = |names: &[String]| -> Vec<String> {
        names.iter().flat_map(|name| ["a", "b", "c"].map(|letter| format!("{name}{letter}"))).collect()
    };
    let ones = longer(&[String::new()]);
    let twos = longer(&ones);
    let others = ["*a", "*c", "kafka-cluster", "kafka-clusterc"].map(str::to_owned);
    [longer(&twos), twos, ones, others.to_vec()].concat()
}

#[test]
fn an_authorizer_decides_as_a_list_of_rules_does() {
    let universe = universe();
    for seed in 0..200 {
        let mut rng = Rng::from_seed(seed);
        let unruled = rng.below(2) == 0;
        let permission = if unruled { Permission::Allow } else { Permission::Deny };
        let mut authorizer = Authorizer::new().with_unruled(permission).with_super_user("User:root");
        let mut model = Model { rules: Vec::new(), unruled };
        for _ in 0..40 {
            let rule = rule(&mut rng);
            if rng.below(3) == 0 {
                let gone = if model.rules.is_empty() {
                    rule
                } else {
                    one(&mut rng, &model.rules.iter().collect::<Vec<_>>()).clone()
                };
                let was_there = model.rules.contains(&gone);
                model.rules.retain(|rule| *rule != gone);
                assert_eq!(authorizer.remove(&gone), was_there);
            } else {
                assert_eq!(authorizer.add(&rule), !model.rules.contains(&rule));
                if !model.rules.contains(&rule) {
                    model.rules.push(rule.clone());
                }
                assert!(authorizer.has(&rule));
            }
            assert_eq!(authorizer.len(), model.rules.len());
            let subject = Subject { principal: one(&mut rng, &PRINCIPALS[..2]), host: one(&mut rng, &HOSTS[..2]) };
            let (operation, kind) = (one(&mut rng, Operation::ALL), one(&mut rng, &KINDS));
            let name = &universe[rng.below(universe.len() as u64) as usize];
            let expected = model.allows(subject, operation, kind, name);
            assert_eq!(
                authorizer.allows(subject, operation, kind, name),
                expected,
                "{seed}: {subject:?} {operation:?} {name}"
            );
            let any = universe.iter().any(|name| model.allows(subject, operation, kind, name));
            assert_eq!(
                authorizer.allows_any(subject, operation, kind),
                any,
                "{seed}: {subject:?} {operation:?} {kind:?} {:?}",
                model.rules
            );
            let filter = filter(&mut rng);
            let mut found = authorizer.find(&filter);
            found.sort();
            let mut expected: Vec<Rule> = model.rules.iter().filter(|rule| filter.finds(rule)).cloned().collect();
            expected.sort();
            assert_eq!(found, expected, "{seed}: {filter:?}");
            let root = Subject { principal: "User:root", ..subject };
            assert!(authorizer.allows(root, operation, kind, name) && authorizer.allows_any(root, operation, kind));
        }
    }
}

#[test]
fn names_are_compared_letter_by_letter() {
    let mut authorizer = Authorizer::new();
    let subject = Subject { principal: "User:alice", host: "::1" };
    let rule = |name: &str| Rule {
        resource_type: ResourceType::Group,
        pattern_type: PatternType::Prefixed,
        name: name.into(),
        principal: subject.principal.into(),
        host: "*".into(),
        operation: Operation::Read,
        permission: Permission::Allow,
    };
    // Two letters that begin with the same byte.
    authorizer.add(&rule("grün"));
    let reads = |name| authorizer.allows(subject, Operation::Read, ResourceType::Group, name);
    assert!(reads("grün") && reads("grüne"));
    assert!(!reads("grö") && !reads("gr") && !reads("grü") && !reads("Grün") && !reads(""));
}

#[test]
fn a_filter_matches_what_speaks_of_a_name() {
    let rule = |pattern_type, name: &str| Rule {
        resource_type: ResourceType::Topic,
        pattern_type,
        name: name.into(),
        principal: "User:*".into(),
        host: "*".into(),
        operation: Operation::All,
        permission: Permission::Allow,
    };
    use PatternType::{Literal, Prefixed};
    let filter = |patterns| Filter { patterns, name: Some("pay".into()), ..Filter::default() };
    let cases = [
        (rule(Literal, "pay"), [true, true]),
        (rule(Prefixed, "pay"), [true, true]),
        (rule(Literal, "*"), [false, true]),
        (rule(Prefixed, "p"), [false, true]),
        (rule(Prefixed, "*"), [false, false]),
        (rule(Prefixed, "payment"), [false, false]),
    ];
    for (rule, [any, matches]) in cases {
        assert_eq!(filter(Patterns::Any).finds(&rule), any, "{rule:?}");
        assert_eq!(filter(Patterns::Match).finds(&rule), matches, "{rule:?}");
        assert_eq!(filter(Patterns::Only(Literal)).finds(&rule), any && rule.pattern_type == Literal, "{rule:?}");
    }
}
