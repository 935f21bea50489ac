//! **Access rules**: who may do what with which topic, group or transaction.
//!
//! # The problem
//!
//! As soon as two teams share a broker, one of them deletes the other's topic. Rules must be short to say ("whatever begins
//! with `pay.` is Alice's"), quick to decide for every request, and safe where they contradict each other: a rule that was
//! added later must not open what another one closes.
//!
//! # How it works
//!
//! A [`Rule`] names a principal, a host, an operation, a resource, and yes or no. The name of the resource is meant as it stands,
//! or as the beginning of names; `*` is every name. An [`Authorizer`] keeps rules by kind and name:
//!
//! ```text
//!   may User:alice, from 10.0.0.1, READ the topic pay.eu.card ?
//!                                                │
//!        literal   pay.eu.card ──┐               │
//!        literal   *             ├─▶ about whom? what? ─▶ one denies            ─▶ no
//!        prefixed  pay.eu.       │                        one allows            ─▶ yes
//!        prefixed  pay.        ──┘                        there are only others ─▶ no
//!                                                         there are none        ─▶ as the broker was told: no
//! ```
//!
//! Who may read, write, delete or alter may describe; who may alter configurations may look at them; `All` is everything. That is
//! so for permissions alone: denying `Read` leaves `Describe` as it is, and denying `Describe` denies nothing else. Super users
//! pass by all rules.
//!
//! The prefixes of a name are found in an ordered map without trying each length: the last key that is not behind the name is a
//! beginning of it, or tells where they part, and nothing longer than that needs to be looked for.
//!
//! Around it stand the rules' entries in the catalog, which are durable before a change is answered, and what asks: each family of
//! requests asks what Kafka's documentation says it needs, and answers with Kafka's error where it says no. What may not be
//! described is left out of lists.
//!
//! # Invariants
//!
//! - A denial wins over every permission, in whatever order they came.
//! - Removing the last rule about a resource makes it one of which no rule speaks.
//! - Every decision, list and question for "anything at all" equals that of a list of rules that is read as the documentation
//!   says (`acl::model`, random rules).
//! - There are no more rules than the broker was told, and no text in one is longer than [`MAX_TEXT`].
//! - A change that was answered is there after a crash; one that was not may be.
//!
//! # Cost
//!
//! A decision is two lookups, one for each prefix that there is, and a look at each rule about the resource. Rules that speak of
//! one topic by five hundred principals are read one by one. Without rules nothing is asked.
//!
//! # Example
//!
//! ```
//! use xs_kafka::acl::{Authorizer, Operation, PatternType, Permission, ResourceType, Rule, Subject};
//!
//! let mut rules = Authorizer::new().with_super_user("User:root");
//! let reads = Rule {
//!     resource_type: ResourceType::Topic,
//!     pattern_type: PatternType::Prefixed,
//!     name: "pay.".into(),
//!     principal: "User:alice".into(),
//!     host: "*".into(),
//!     operation: Operation::Read,
//!     permission: Permission::Allow,
//! };
//! rules.add(&reads);
//! let alice = Subject { principal: "User:alice", host: "10.0.0.1" };
//! assert!(rules.allows(alice, Operation::Describe, ResourceType::Topic, "pay.eu"));
//! assert!(!rules.allows(alice, Operation::Write, ResourceType::Topic, "pay.eu"));
//!
//! rules.add(&Rule { principal: "User:*".into(), name: "pay.secret".into(), permission: Permission::Deny, ..reads });
//! assert!(!rules.allows(alice, Operation::Read, ResourceType::Topic, "pay.secret.keys"));
//! ```
//!
//! # How others do it
//!
//! Kafka's StandardAuthorizer keeps all rules in one ordered tree, names backwards, and walks it the same way. Redpanda has a table for
//! each kind and tries the prefixes one by one. Redis has rules of users instead of resources, which are read from the left to
//! the right: the last one wins, and nothing is denied for good.
//!
//! # What this leaves out
//!
//! - Other principals than users, such as groups of them: rules about them are kept, and fit nobody.
//! - Ranges of hosts. Kafka compares addresses as text, too.
//! - Tokens: rules about them are kept, and nothing asks.
//!
//! # Try next
//!
//! Let a rule hold until a time, with `now` as an argument of [`Authorizer::allows`], and see which test of `model` has to learn of it.
//!
//! # Sources
//!
//! Kafka's documentation, "Authorization and ACLs" and its table of operations and resources; KIP-11 (rules), KIP-290
//! (prefixes), KIP-430 (what a client may do, in answers), KIP-679 (idempotent producers by what they may write).

mod authorizer;
mod filter;
mod kept;
#[cfg(test)]
mod model;
mod rule;
mod rules;

pub use authorizer::{Authorizer, Subject};
pub use filter::{Filter, Patterns};
pub use rule::{CLUSTER, MAX_TEXT, Operation, PatternType, Permission, ResourceType, Rule};
pub(crate) use rules::{Refused, Rules};
