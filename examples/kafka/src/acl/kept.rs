//! A rule's entry in the catalog: all of it is the key.

use super::{Operation, PatternType, Permission, ResourceType, Rule};
use crate::entry::{EntryError, EntryReader, EntryWriter};

const PREFIX: &[u8] = b"acl/";

/// The keys of all rules begin so.
pub(super) fn all() -> &'static [u8] {
    PREFIX
}

pub(super) fn key(rule: &Rule) -> Vec<u8> {
    let key = EntryWriter::new(PREFIX).i8(rule.resource_type.code()).i8(rule.pattern_type.code());
    let key = key.string(&rule.name).string(&rule.principal).string(&rule.host);
    key.i8(rule.operation.code()).i8(rule.permission.code()).done()
}

pub(super) fn read(key: &[u8]) -> Result<Rule, EntryError> {
    let mut reader = EntryReader::new(key.strip_prefix(PREFIX).ok_or(EntryError::Short)?);
    fn known<T>(of_code: fn(i8) -> Option<T>, code: i8, what: &'static str) -> Result<T, EntryError> {
        of_code(code).ok_or(EntryError::Value(code.into(), what))
    }
    let rule = Rule {
        resource_type: known(ResourceType::of_code, reader.i8()?, "kind of resource")?,
        pattern_type: known(PatternType::of_code, reader.i8()?, "kind of name")?,
        name: reader.string()?,
        principal: reader.string()?,
        host: reader.string()?,
        operation: known(Operation::of_code, reader.i8()?, "operation")?,
        permission: known(Permission::of_code, reader.i8()?, "permission")?,
    };
    reader.end()?;
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_again_and_nothing_else_is_one() {
        let rule = Rule {
            resource_type: ResourceType::TransactionalId,
            pattern_type: PatternType::Prefixed,
            name: "t".into(),
            principal: "User:alice".into(),
            host: "*".into(),
            operation: Operation::AlterConfigs,
            permission: Permission::Deny,
        };
        let key = key(&rule);
        assert_eq!(read(&key), Ok(rule));
        assert!((0..key.len()).all(|len| read(&key[..len]).is_err()));
        let wrong = [&key[..key.len() - 1], b"\x04"].concat();
        assert_eq!(read(&wrong), Err(EntryError::Value(4, "permission")));
    }
}
