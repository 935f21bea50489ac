//! Who gets in, what it may do, and how much of it.

use super::Builder;
use crate::acl::Permission;
use crate::quota::QuotaBy;
use crate::sasl::Secret;

impl Builder {
    /// Lets this user in, by SASL with PLAIN or SCRAM, and nobody who is not named so (default: everybody).
    ///
    /// PLAIN shows the password to whoever listens to the wire.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Builder {
        self.users.push((name.into(), Secret(password.into())));
        self
    }

    /// Obeys the access rules in its catalog, and lets clients that may change them (default: everybody may do everything).
    /// Where no rule speaks of a resource, nobody but super users may do anything with it.
    #[must_use]
    pub fn acl(mut self) -> Builder {
        self.rules.get_or_insert_default();
        self
    }

    /// Lets this user do everything, whatever the rules say; with [`Builder::acl`].
    #[must_use]
    pub fn super_user(mut self, name: &str) -> Builder {
        self.rules = Some(self.rules.unwrap_or_default().with_super_user(format!("User:{name}")));
        self
    }

    /// Lets everybody do everything with resources of which no rule speaks (`allow.everyone.if.no.acl.found`); with
    /// [`Builder::acl`].
    #[must_use]
    pub fn allow_unruled(mut self) -> Builder {
        self.rules = Some(self.rules.unwrap_or_default().with_unruled(Permission::Allow));
        self
    }

    /// So many bytes of produce requests a second for each client, as [`Builder::quota_by`] tells them apart (default: any). Who
    /// sends more is answered at once, told to wait, and not heard until then.
    ///
    /// # Panics
    ///
    /// With 0.
    #[must_use]
    pub fn produce_quota(mut self, bytes: u64) -> Builder {
        assert!(bytes > 0, "a quota lets something pass");
        self.config.quotas.produce = Some(bytes);
        self
    }

    /// So many bytes of records a second for each client that fetches (default: any).
    ///
    /// # Panics
    ///
    /// With 0.
    #[must_use]
    pub fn fetch_quota(mut self, bytes: u64) -> Builder {
        assert!(bytes > 0, "a quota lets something pass");
        self.config.quotas.fetch = Some(bytes);
        self
    }

    /// So many requests a second for each client (default: any).
    ///
    /// # Panics
    ///
    /// With 0.
    #[must_use]
    pub fn request_quota(mut self, requests: u64) -> Builder {
        assert!(requests > 0, "a quota lets something pass");
        self.config.quotas.requests = Some(requests);
        self
    }

    /// Who has a quota of its own (default: each client id).
    #[must_use]
    pub fn quota_by(mut self, by: QuotaBy) -> Builder {
        self.config.quotas.by = by;
        self
    }
}
