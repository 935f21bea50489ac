//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: what topics are told; what the broker was told, to be looked at.

use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use crate::acl::Operation;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::config::Flush;
use crate::topic_config::{Kind, SETTINGS, Setting, TopicConfig};
use crate::topics::{Refusal, Topic};

/// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a value comes from.
const OF_TOPIC: i8 = 1;
const OF_COMMAND_LINE: i8 = 4;
const DEFAULT: i8 = 5;

/// Shows values, with where they come from.
pub(crate) fn describe(broker: &Broker, caller: &Caller, request: DescribeConfigsRequest) -> Response {
    let results = request.resources.into_iter().map(|resource| {
        let wanted = |name: &str| match &resource.configuration_keys {
            None => true,
            Some(names) => names.is_empty() || names.iter().any(|wanted| &**wanted == name),
        };
        let synonyms = request.include_synonyms;
        let denied = allowed(caller, Operation::DescribeConfigs, resource.resource_type, &resource.resource_name);
        let found = match resource.resource_type {
            _ if let Err(denied) = denied => Err(denied),
            TOPIC => match broker.topics.get(&resource.resource_name) {
                Some(topic) => Ok(of_topic(broker, &topic, synonyms)),
                None => Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new())),
            },
            BROKER => check_broker(broker, &resource.resource_name).map(|()| of_broker(broker)),
            _ => Err((ErrorCode::INVALID_REQUEST, "There are configurations of topics and brokers.".into())),
        };
        let (error_code, error_message, mut configs) = match found {
            Ok(configs) => (ErrorCode::NONE, None, configs),
            Err((code, why)) => (code, Some(why.into()), Vec::new()),
        };
        configs.retain(|config| wanted(&config.name));
        DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs,
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..Default::default() }.into()
}

/// Configurations of a topic are the topic's, those of a broker are the cluster's.
fn allowed(caller: &Caller, operation: Operation, kind: i8, name: &str) -> Result<(), Refusal> {
    let allowed = match kind {
        TOPIC => caller.topic(operation, name),
        BROKER => caller.cluster(operation),
        _ => Ok(()),
    };
    allowed.map_err(|code| (code, code.text().to_owned()))
}

fn of_topic(broker: &Broker, topic: &Topic, synonyms: bool) -> Vec<DescribeConfigsResourceResult> {
    let show = |setting: &Setting| {
        let said = topic.config.is_said(setting);
        let of = |config: &TopicConfig, source| DescribeConfigsSynonym {
            name: setting.name.into(),
            value: Some((setting.get)(config).into()),
            source,
        };
        let mut all = vec![of(&broker.defaults, DEFAULT)];
        if said {
            all.insert(0, of(&topic.config, OF_TOPIC));
        }
        let DescribeConfigsSynonym { name, value, source } = all[0].clone();
        DescribeConfigsResourceResult {
            name,
            value,
            config_source: source,
            synonyms: if synonyms { all } else { Vec::new() },
            config_type: setting.kind as i8,
            documentation: None,
            ..Default::default()
        }
    };
    SETTINGS.iter().map(show).collect()
}

/// The values that Kafka has names for, and that its tools ask for.
fn of_broker(broker: &Broker) -> Vec<DescribeConfigsResourceResult> {
    let config = &broker.config;
    let flush = match config.flush {
        Flush::Always => "1".to_owned(),
        Flush::Later => i64::MAX.to_string(),
    };
    let groups = &config.groups;
    let rows: [(&str, Kind, String); 14] = [
        ("auto.create.topics.enable", Kind::Boolean, config.auto_create.to_string()),
        ("broker.id", Kind::Int, config.node.to_string()),
        ("default.replication.factor", Kind::Int, "1".into()),
        ("fetch.max.bytes", Kind::Int, config.max_fetch.to_string()),
        ("group.initial.rebalance.delay.ms", Kind::Int, groups.initial_delay.as_millis().to_string()),
        ("group.max.session.timeout.ms", Kind::Int, groups.session.1.as_millis().to_string()),
        ("group.max.size", Kind::Int, groups.members.to_string()),
        ("group.min.session.timeout.ms", Kind::Int, groups.session.0.as_millis().to_string()),
        ("log.flush.interval.messages", Kind::Long, flush),
        ("log.retention.check.interval.ms", Kind::Long, config.tend.as_millis().to_string()),
        ("log.segment.bytes", Kind::Int, broker.defaults.segment_bytes.to_string()),
        ("max.incremental.fetch.session.cache.slots", Kind::Int, config.max_sessions.to_string()),
        ("num.partitions", Kind::Int, config.partitions.to_string()),
        ("socket.request.max.bytes", Kind::Int, config.request_bytes.to_string()),
    ];
    let show = |(name, kind, value): (&str, Kind, String)| DescribeConfigsResourceResult {
        name: name.into(),
        value: Some(value.into()),
        read_only: true,
        config_source: OF_COMMAND_LINE,
        config_type: kind as i8,
        documentation: None,
        ..Default::default()
    };
    rows.into_iter().map(show).collect()
}

fn check_broker(broker: &Broker, name: &str) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Ok(node) if broker.config.node == node => Ok(()),
        _ => Err((ErrorCode::INVALID_REQUEST, format!("This is broker {}.", broker.config.node))),
    }
}

type Change = Box<dyn FnOnce(&mut TopicConfig, &TopicConfig) -> Result<(), Refusal> + Send>;

/// Changes a resource: the code and why it was refused, if it was.
async fn change(
    broker: &Arc<Broker>,
    caller: &Caller,
    kind: i8,
    name: &ByteString,
    change: Change,
    check: bool,
) -> (ErrorCode, Option<ByteString>) {
    let changed = match kind {
        _ if let Err(denied) = allowed(caller, Operation::AlterConfigs, kind, name) => Err(denied),
        TOPIC => {
            let (topics, name) = (broker.topics.clone(), name.clone());
            broker.bridge.run(move || topics.configure(&name, change, check)).await
        }
        BROKER => check_broker(broker, name)
            .and(Err((ErrorCode::INVALID_REQUEST, "A broker is configured by its command line.".into()))),
        _ => Err((ErrorCode::INVALID_REQUEST, "There are configurations of topics.".into())),
    };
    match changed {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, why)) => (code, Some(why.into())),
    }
}

/// Says everything anew: what is not in the request is taken back.
pub(crate) async fn alter(broker: Arc<Broker>, caller: Caller, request: AlterConfigsRequest) -> Response {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let configs = resource.configs;
        let all: Change = Box::new(move |config, defaults| {
            *config = defaults.clone();
            configs.iter().try_for_each(|entry| config.set(&entry.name, entry.value.as_deref()))
        });
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name);
        let (error_code, error_message) =
            change(&broker, &caller, resource_type, &resource_name, all, request.validate_only).await;
        responses.push(AlterConfigsResponseAlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type,
            resource_name,
        });
    }
    AlterConfigsResponse { responses, ..Default::default() }.into()
}

/// Changes some settings and leaves the others.
pub(crate) async fn alter_some(
    broker: Arc<Broker>,
    caller: Caller,
    request: IncrementalAlterConfigsRequest,
) -> Response {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let configs = resource.configs;
        let some: Change = Box::new(move |config, defaults| {
            configs.iter().try_for_each(|entry| {
                let value = entry.value.as_deref();
                match entry.config_operation {
                    0 => config.set(&entry.name, value),
                    1 => config.unset(&entry.name, defaults),
                    operation @ (2 | 3) => config.edit(&entry.name, value, operation == 2),
                    _ => Err((ErrorCode::INVALID_REQUEST, "Operations are 0 to 3.".into())),
                }
            })
        });
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name);
        let (error_code, error_message) =
            change(&broker, &caller, resource_type, &resource_name, some, request.validate_only).await;
        responses.push(IncrementalAlterConfigsResponseAlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type,
            resource_name,
        });
    }
    IncrementalAlterConfigsResponse { responses, ..Default::default() }.into()
}
