//! DescribeAcls, CreateAcls, DeleteAcls: who may do what.

use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use crate::acl::{Filter, Operation, PatternType, Patterns, Permission, Refused, ResourceType, Rule, Rules};
use crate::broker::Broker;
use crate::caller::Caller;

/// A request has no more filters: each looks at every rule.
const MAX_FILTERS: usize = 1000;
/// Where a filter wants any.
const ANY: i8 = 1;

/// The rules, if there are any to speak of and the caller may do this with them.
fn rules(caller: &Caller, operation: Operation) -> Result<Arc<Rules>, Refused> {
    let rules = caller.rules.clone().ok_or((ErrorCode::SECURITY_DISABLED, "There are no access rules here.".into()))?;
    caller.cluster(operation).map_err(|code| (code, code.text().into()))?;
    Ok(rules)
}

/// A number of the protocol's, of which 1 is any.
fn any<T>(code: i8, of_code: impl FnOnce(i8) -> Option<T>) -> Result<Option<T>, Refused> {
    match code {
        ANY => Ok(None),
        code => known(code, of_code).map(Some),
    }
}

fn known<T>(code: i8, of_code: impl FnOnce(i8) -> Option<T>) -> Result<T, Refused> {
    of_code(code).ok_or_else(|| (ErrorCode::INVALID_REQUEST, format!("{code} has no meaning there.").into()))
}

/// Deleting is asked as describing is.
fn filter(asked: DeleteAclsFilter) -> Result<Filter, Refused> {
    Ok(Filter {
        resource_type: any(asked.resource_type_filter, ResourceType::of_code)?,
        patterns: known(asked.pattern_type_filter, Patterns::of_code)?,
        name: asked.resource_name_filter,
        principal: asked.principal_filter,
        host: asked.host_filter,
        operation: any(asked.operation, Operation::of_code)?,
        permission: any(asked.permission_type, Permission::of_code)?,
    })
}

/// Lists rules, by what they are about.
pub(crate) fn describe(caller: &Caller, request: DescribeAclsRequest) -> Response {
    let asked = DeleteAclsFilter {
        resource_type_filter: request.resource_type_filter,
        resource_name_filter: request.resource_name_filter,
        pattern_type_filter: request.pattern_type_filter,
        principal_filter: request.principal_filter,
        host_filter: request.host_filter,
        operation: request.operation,
        permission_type: request.permission_type,
    };
    let found = rules(caller, Operation::Describe)
        .and_then(|rules| filter(asked).map(|filter| rules.ask(|rules| rules.find(&filter))));
    let found = match found {
        Ok(found) => found,
        Err((error_code, why)) => {
            return DescribeAclsResponse { error_code, error_message: Some(why), ..Default::default() }.into();
        }
    };
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    for rule in found {
        let (resource_type, pattern_type) = (rule.resource_type.code(), rule.pattern_type.code());
        let is_same = |last: &DescribeAclsResource| {
            (last.resource_type, last.pattern_type) == (resource_type, pattern_type) && last.resource_name == rule.name
        };
        if !resources.last().is_some_and(is_same) {
            let resource_name = rule.name.clone();
            resources.push(DescribeAclsResource { resource_type, resource_name, pattern_type, acls: Vec::new() });
        }
        if let Some(last) = resources.last_mut() {
            last.acls.push(AclDescription {
                principal: rule.principal,
                host: rule.host,
                operation: rule.operation.code(),
                permission_type: rule.permission.code(),
            });
        }
    }
    DescribeAclsResponse { error_message: None, resources, ..Default::default() }.into()
}

fn rule(asked: AclCreation) -> Result<Rule, Refused> {
    Ok(Rule {
        resource_type: known(asked.resource_type, ResourceType::of_code)?,
        pattern_type: known(asked.resource_pattern_type, PatternType::of_code)?,
        name: asked.resource_name,
        principal: asked.principal,
        host: asked.host,
        operation: known(asked.operation, Operation::of_code)?,
        permission: known(asked.permission_type, Permission::of_code)?,
    })
}

/// Adds rules; each is answered for itself.
pub(crate) async fn create(broker: Arc<Broker>, caller: Caller, request: CreateAclsRequest) -> Response {
    let results = match rules(&caller, Operation::Alter) {
        Ok(rules) => {
            let asked = request.creations.into_iter().map(rule).collect();
            broker.bridge.run(move || rules.add(asked)).await
        }
        Err(refused) => vec![Err(refused); request.creations.len()],
    };
    let result = |result: Result<(), Refused>| {
        let (error_code, error_message) = told(result.err());
        AclCreationResult { error_code, error_message }
    };
    CreateAclsResponse { results: results.into_iter().map(result).collect(), ..Default::default() }.into()
}

fn told(refused: Option<Refused>) -> (ErrorCode, Option<ByteString>) {
    match refused {
        Some((code, why)) => (code, Some(why)),
        None => (ErrorCode::NONE, None),
    }
}

/// Removes what filters find, and tells what that was.
pub(crate) async fn delete(broker: Arc<Broker>, caller: Caller, request: DeleteAclsRequest) -> Response {
    let count = request.filters.len();
    let filters: Vec<Result<Filter, Refused>> = match rules(&caller, Operation::Alter) {
        Ok(_) if count > MAX_FILTERS => {
            let why = format!("A request has {MAX_FILTERS} filters at most.");
            vec![Err((ErrorCode::POLICY_VIOLATION, why.into())); count]
        }
        Ok(_) => request.filters.into_iter().map(filter).collect(),
        Err(refused) => vec![Err(refused); count],
    };
    let good: Vec<Filter> = filters.iter().filter_map(|filter| filter.as_ref().ok().cloned()).collect();
    let removed = match caller.rules {
        Some(rules) if !good.is_empty() => broker.bridge.run(move || rules.remove(&good)).await,
        _ => Ok(Vec::new()),
    };
    let (mut removed, failed) = match removed {
        Ok(removed) => (removed.into_iter(), None),
        Err(code) => (Vec::new().into_iter(), Some((code, ByteString::from(code.text())))),
    };
    let result = |filter: Result<Filter, Refused>| {
        let (error_code, error_message) = told(filter.err().or_else(|| failed.clone()));
        let found = if error_code.is_ok() { removed.next().unwrap_or_default() } else { Vec::new() };
        let matching_acls = found.into_iter().map(gone).collect();
        DeleteAclsFilterResult { error_code, error_message, matching_acls }
    };
    DeleteAclsResponse { filter_results: filters.into_iter().map(result).collect(), ..Default::default() }.into()
}

fn gone(rule: Rule) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_message: None,
        resource_type: rule.resource_type.code(),
        resource_name: rule.name,
        pattern_type: rule.pattern_type.code(),
        principal: rule.principal,
        host: rule.host,
        operation: rule.operation.code(),
        permission_type: rule.permission.code(),
        ..Default::default()
    }
}
