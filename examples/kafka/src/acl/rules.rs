//! The rules of a broker: in memory to be asked, and in the catalog to be there tomorrow.

use std::sync::Arc;

use bytestring::ByteString;
use metrics::Counter;
use parking_lot::{Mutex, RwLock};
use xs_proto::kafka::ErrorCode;
use xs_storage::Result;
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};

use super::{Authorizer, Filter, Rule, kept};

/// Why a rule was not added: the code, and the reason for people.
pub(crate) type Refused = (ErrorCode, ByteString);

/// What is asked at every request, and what is changed now and then.
pub(crate) struct Rules {
    catalog: Arc<dyn Engine>,
    authorizer: RwLock<Authorizer>,
    /// Held by who changes the catalog: rules come into force in the order in which they are written.
    changing: Mutex<()>,
    max: usize,
    refused: Counter,
}

impl Rules {
    /// Adds what the catalog has to an authorizer that knows of no rules. Waits for the disk.
    pub(crate) fn open(catalog: Arc<dyn Engine>, mut authorizer: Authorizer, max: usize) -> Result<Rules> {
        let mut cursor = catalog.cursor(KeyRange::prefix(kept::all()))?;
        while cursor.next()? {
            authorizer.add(&kept::read(cursor.key())?);
        }
        drop(cursor);
        metrics::describe_counter!("xs_kafka_denied_total", "What was asked for and denied by access rules.");
        let refused = metrics::counter!("xs_kafka_denied_total");
        Ok(Rules { catalog, authorizer: RwLock::new(authorizer), changing: Mutex::default(), max, refused })
    }

    /// Somebody was told that it may not.
    pub(crate) fn count_refusal(&self) {
        self.refused.increment(1);
    }

    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&Authorizer) -> T) -> T {
        ask(&self.authorizer.read())
    }

    /// Adds rules, each for itself, durably and all at once. Waits for the disk.
    pub(crate) fn add(&self, rules: Vec<std::result::Result<Rule, Refused>>) -> Vec<std::result::Result<(), Refused>> {
        let _changing = self.changing.lock();
        let (mut batch, mut fresh) = (WriteBatch::new(), Vec::new());
        let mut room = self.ask(|authorizer| self.max.saturating_sub(authorizer.len()));
        let mut results: Vec<_> = rules
            .into_iter()
            .map(|rule| {
                let rule = rule?;
                rule.check().map_err(|why| (ErrorCode::INVALID_REQUEST, why.into()))?;
                if self.ask(|authorizer| authorizer.has(&rule)) {
                    return Ok(());
                }
                if room == 0 {
                    let why = format!("There are {} rules at most.", self.max);
                    return Err((ErrorCode::POLICY_VIOLATION, why.into()));
                }
                room -= 1;
                batch.put(&kept::key(&rule), b"");
                fresh.push(rule);
                Ok(())
            })
            .collect();
        match self.write(batch, fresh.is_empty()) {
            Ok(()) => {
                let mut authorizer = self.authorizer.write();
                for rule in &fresh {
                    authorizer.add(&owned(rule));
                }
            }
            Err(error) => {
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err((error, "The rules could not be written.".into()));
                }
            }
        }
        results
    }

    /// Removes what filters find, durably and all at once. Each answers with all that it found. Waits for the disk.
    pub(crate) fn remove(&self, filters: &[Filter]) -> std::result::Result<Vec<Vec<Rule>>, ErrorCode> {
        let _changing = self.changing.lock();
        let found: Vec<Vec<Rule>> =
            self.ask(|authorizer| filters.iter().map(|filter| authorizer.find(filter)).collect());
        let mut batch = WriteBatch::new();
        for rule in found.iter().flatten() {
            batch.delete(&kept::key(rule));
        }
        self.write(batch, found.iter().all(Vec::is_empty))?;
        let mut authorizer = self.authorizer.write();
        for rule in found.iter().flatten() {
            authorizer.remove(rule);
        }
        Ok(found)
    }

    fn write(&self, batch: WriteBatch, is_empty: bool) -> std::result::Result<(), ErrorCode> {
        if is_empty {
            return Ok(());
        }
        let durable = self.catalog.submit(batch, Durability::Synced).and_then(|commit| commit.wait());
        durable.map_err(|error| {
            tracing::error!(%error, "access rules could not be written");
            ErrorCode::KAFKA_STORAGE_ERROR
        })
    }
}

/// Its texts are no slices of the request, which would be kept with them.
fn owned(rule: &Rule) -> Rule {
    let own = |text: &ByteString| ByteString::from(&**text);
    Rule { name: own(&rule.name), principal: own(&rule.principal), host: own(&rule.host), ..rule.clone() }
}

#[cfg(test)]
mod tests {
    use xs_storage::engine::MemoryEngine;

    use super::super::{Operation, PatternType, Permission, ResourceType};
    use super::*;

    fn rule(name: &str) -> Rule {
        Rule {
            resource_type: ResourceType::Topic,
            pattern_type: PatternType::Literal,
            name: name.into(),
            principal: "User:alice".into(),
            host: "*".into(),
            operation: Operation::Read,
            permission: Permission::Allow,
        }
    }

    fn open(catalog: &Arc<dyn Engine>) -> Rules {
        Rules::open(catalog.clone(), Authorizer::new(), 2).unwrap()
    }

    fn add(rules: &Rules, names: &[&str]) -> Vec<ErrorCode> {
        let results = rules.add(names.iter().map(|name| Ok(rule(name))).collect());
        results.into_iter().map(|result| result.err().map_or(ErrorCode::NONE, |(code, _)| code)).collect()
    }

    #[test]
    fn rules_are_kept_and_bounded() {
        let catalog: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let rules = open(&catalog);
        let (ok, full) = (ErrorCode::NONE, ErrorCode::POLICY_VIOLATION);
        assert_eq!(add(&rules, &["a", "b", "c"]), [ok, ok, full]);
        assert_eq!(add(&rules, &["a", "c"]), [ok, full], "what is there needs no room");
        let rules = open(&catalog);
        assert!(rules.ask(|rules| rules.has(&rule("a")) && rules.has(&rule("b")) && rules.len() == 2));
        let filter = Filter { name: Some("a".into()), ..Filter::default() };
        assert_eq!(rules.remove(&[filter.clone(), filter.clone()]), Ok(vec![vec![rule("a")], vec![rule("a")]]));
        assert_eq!(rules.remove(&[filter]), Ok(vec![vec![]]));
        assert_eq!(add(&rules, &["c"]), [ok]);
        assert!(open(&catalog).ask(|rules| !rules.has(&rule("a")) && rules.has(&rule("c"))));
    }
}
