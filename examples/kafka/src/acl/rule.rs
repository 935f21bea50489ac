//! A rule, and its parts with their numbers in the protocol.

use bytestring::ByteString;

/// A name that stands for every resource of its kind, or for every host.
pub(super) const ANY: &str = "*";
/// The principal that stands for all users.
pub(super) const EVERYBODY: &str = "User:*";
/// What the one resource of the kind [`ResourceType::Cluster`] is called.
pub const CLUSTER: &str = "kafka-cluster";
/// Names, principals and hosts are no longer than this, in bytes.
pub const MAX_TEXT: usize = 4096;

macro_rules! numbered {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i8)]
        pub enum $name {
            $($(#[$doc])* $variant = $code,)*
        }

        impl $name {
            /// All that there are.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The number in the protocol.
            pub const fn code(self) -> i8 {
                self as i8
            }

            /// What has this number in the protocol.
            pub const fn of_code(code: i8) -> Option<$name> {
                match code {
                    $($code => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// What a rule is about.
    ResourceType:
    /// A topic.
    Topic = 2,
    /// A group of consumers.
    Group = 3,
    /// The cluster: there is one, [`CLUSTER`].
    Cluster = 4,
    /// The name of a transactional producer.
    TransactionalId = 5,
    /// A delegation token. Rules about them are kept, and nothing asks for them here.
    DelegationToken = 6,
    /// A user, for whom tokens are made. As tokens.
    User = 7,
}

numbered! {
    /// How the name in a rule is meant.
    PatternType:
    /// As it stands; `*` is every name.
    Literal = 3,
    /// All names that begin so.
    Prefixed = 4,
}

numbered! {
    /// What somebody may do, or may not.
    Operation:
    /// Everything.
    All = 2,
    /// Reading records, or being in a group.
    Read = 3,
    /// Writing records, or being a transactional producer.
    Write = 4,
    /// Making.
    Create = 5,
    /// Deleting.
    Delete = 6,
    /// Changing.
    Alter = 7,
    /// Knowing that it is there, and what it is like.
    Describe = 8,
    /// What brokers ask of each other.
    ClusterAction = 9,
    /// Reading configurations.
    DescribeConfigs = 10,
    /// Changing configurations.
    AlterConfigs = 11,
    /// Being an idempotent producer.
    IdempotentWrite = 12,
    /// Making tokens for a user.
    CreateTokens = 13,
    /// Looking at the tokens of a user.
    DescribeTokens = 14,
}

numbered! {
    /// What a rule says.
    Permission:
    /// No.
    Deny = 2,
    /// Yes.
    Allow = 3,
}

impl Operation {
    /// Whether who is allowed this is allowed the other, too. Denying goes no further than its word.
    pub const fn implies(self, other: Operation) -> bool {
        use Operation::{All, Alter, AlterConfigs, Delete, Describe, DescribeConfigs, Read, Write};
        match (self, other) {
            (All, _) | (Read | Write | Delete | Alter, Describe) | (AlterConfigs, DescribeConfigs) => true,
            _ => self as i8 == other as i8,
        }
    }
}

impl ResourceType {
    /// What can be done with it.
    pub const fn operations(self) -> &'static [Operation] {
        use Operation::*;
        match self {
            ResourceType::Topic => &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs],
            ResourceType::Group => &[Read, Describe, Delete],
            ResourceType::Cluster => {
                &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe]
            }
            ResourceType::TransactionalId => &[Describe, Write],
            ResourceType::DelegationToken => &[Describe],
            ResourceType::User => &[CreateTokens, DescribeTokens],
        }
    }
}

/// One rule: this principal, from this host, may or may not do this with these resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// What the name is a name of.
    pub resource_type: ResourceType,
    /// How the name is meant.
    pub pattern_type: PatternType,
    /// The name of the resource.
    pub name: ByteString,
    /// Whom it is about: `User:` and a name, or `*` for everybody.
    pub principal: ByteString,
    /// The address that a client comes from, or `*` for any.
    pub host: ByteString,
    /// What is allowed or denied.
    pub operation: Operation,
    /// Which of the two.
    pub permission: Permission,
}

impl Rule {
    /// Whether it can be kept.
    ///
    /// # Errors
    ///
    /// Why not, for people.
    pub fn check(&self) -> Result<(), &'static str> {
        let cluster = self.resource_type == ResourceType::Cluster;
        let of_a_kind = |(kind, name): (&str, &str)| !kind.is_empty() && !name.is_empty();
        match () {
            () if self.name.is_empty() => Err("The name of a resource is not empty."),
            () if cluster && self.name != CLUSTER => Err("The cluster's name is kafka-cluster."),
            () if !self.principal.split_once(':').is_some_and(of_a_kind) => {
                Err("A principal is a kind and a name: User:alice.")
            }
            () if self.host.is_empty() => Err("A host is an address, or * for any."),
            () if [&self.name, &self.principal, &self.host].iter().any(|text| text.len() > MAX_TEXT) => {
                Err("A name has 4096 bytes at most.")
            }
            () => Ok(()),
        }
    }
}
