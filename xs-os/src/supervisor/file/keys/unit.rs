//! `[Unit]` and `[Install]`.

use super::{Draft, or_default, values};
use crate::supervisor::file::{Problem, valid_name};
use crate::supervisor::unit::Relation;

/// Keys of `[Unit]` that change when or whether a unit runs: a file that says them must not be taken for one that does not.
const REFUSED: [&str; 3] = ["Condition", "Assert", "JoinsNamespaceOf"];

/// Keys that are systemd's and change less: they are named and left out.
const LEFT_OUT: [&str; 21] = [
    "Alias",
    "AllowIsolate",
    "Also",
    "CollectMode",
    "DefaultInstance",
    "FailureAction",
    "FailureActionExitStatus",
    "IgnoreOnIsolate",
    "JobRunningTimeoutSec",
    "JobTimeoutAction",
    "JobTimeoutRebootArgument",
    "JobTimeoutSec",
    "OnFailureJobMode",
    "OnSuccess",
    "PropagatesReloadTo",
    "RebootArgument",
    "ReloadPropagatedFrom",
    "RequiresMountsFor",
    "StopWhenUnneeded",
    "SuccessAction",
    "Upholds",
];

impl Draft<'_> {
    pub(super) fn unit_key(&mut self, section: &str, key: &str, value: &str) -> Result<(), Problem> {
        let relation = Relation::ALL.into_iter().find(|relation| relation.name() == key);
        if let Some(relation) = relation {
            let install = matches!(relation, Relation::WantedBy | Relation::RequiredBy);
            if install != (section == "Install") {
                return Err(Problem::Unknown);
            }
            // Dependencies add up: nothing takes one back.
            for name in self.words(value)? {
                match valid_name(&name) {
                    Ok(()) => self.unit.relate(relation, &name),
                    Err(why) => self.note(format!("{key}={name}: {why}, ignoring")),
                }
            }
            return Ok(());
        }
        match (section, key) {
            ("Unit", "Description") => {
                self.unit.description = if value.is_empty() { self.unit.name.clone() } else { self.text(value)? };
            }
            ("Unit", "Documentation") => {
                let words = self.words(value)?;
                if words.is_empty() {
                    self.unit.documentation.clear();
                }
                self.unit.documentation.extend(words);
            }
            ("Unit", "DefaultDependencies") => {
                self.unit.default_dependencies = or_default(value, true, values::boolean)?;
            }
            ("Unit", "RefuseManualStart") => self.unit.refuse_manual_start = or_default(value, false, values::boolean)?,
            ("Unit", "RefuseManualStop") => self.unit.refuse_manual_stop = or_default(value, false, values::boolean)?,
            ("Unit", "StartLimitIntervalSec" | "StartLimitInterval") => {
                let default = std::time::Duration::from_secs(10);
                self.unit.start_limit_interval = or_default(value, default, values::finite)?;
            }
            ("Unit", "StartLimitBurst") => {
                self.unit.start_limit_burst = or_default(value, 5, |text| values::number(text, 0, u32::MAX))?;
            }
            (_, key) if REFUSED.iter().any(|begin| key.starts_with(begin)) => return Err(Problem::Refused),
            (_, key) if LEFT_OUT.contains(&key) => return Err(Problem::Unsupported),
            _ => return Err(Problem::Unknown),
        }
        Ok(())
    }
}
