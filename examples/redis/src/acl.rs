//! Users and what they may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::command::Spec;
use crate::fault::Fault;
use crate::table::CommandId;
use xs_proto::resp::Args;

/// One user's rights; replaced as a whole when they change.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: Vec<u8>,
    pub(crate) enabled: bool,
    pub(crate) no_pass: bool,
    /// Everything is allowed: nothing needs to be looked at.
    pub(crate) unrestricted: bool,
}

/// All users.
#[derive(Debug)]
pub(crate) struct Acl {
    users: BTreeMap<Vec<u8>, Arc<User>>,
}

impl Acl {
    pub(crate) fn new() -> Acl {
        let default = User { name: b"default".to_vec(), enabled: true, no_pass: true, unrestricted: true };
        Acl { users: BTreeMap::from([(default.name.clone(), Arc::new(default))]) }
    }

    /// The user of a connection that has not authenticated; `None` when it must.
    pub(crate) fn for_new_connection(&self) -> Option<Arc<User>> {
        let default = self.users.get(&b"default"[..])?;
        (default.enabled && default.no_pass).then(|| default.clone())
    }
}

impl User {
    /// Whether the user may run this call.
    #[inline]
    pub(crate) fn check(&self, _id: CommandId, _spec: &Spec, _args: Args<'_>) -> Result<(), Fault> {
        if self.unrestricted { Ok(()) } else { Err(Fault::new("NOPERM")) }
    }
}
