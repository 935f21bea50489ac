//! Other definitions for units that may be running.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{Run, Slot, Sub};
use super::{Load, Machine, UnitId, links};
use crate::Nanos;
use crate::supervisor::unit::Unit;

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Units that were not there.
    pub added: Vec<String>,
    /// Units that say something else now; what runs goes on running as it was started.
    pub changed: Vec<String>,
    /// Units whose files are gone; what runs goes on running.
    pub removed: Vec<String>,
}

impl Machine {
    /// Takes other definitions. Nothing is started or stopped: states, processes and jobs stay what they are.
    pub fn handle_reload(
        &mut self,
        now: Nanos,
        units: BTreeMap<String, Unit>,
        broken: BTreeMap<String, Load>,
    ) -> Changes {
        self.now = self.now.max(now);
        let changes = self.replace_units(units, broken);
        self.queue.extend(self.jobs.keys());
        self.run_jobs();
        changes
    }

    pub(super) fn replace_units(&mut self, units: BTreeMap<String, Unit>, broken: BTreeMap<String, Load>) -> Changes {
        let mut changes = Changes::default();
        for slot in &mut self.slots {
            let name = &slot.unit.name;
            if slot.load == Load::Loaded && !units.contains_key(name) {
                if !broken.contains_key(name) {
                    changes.removed.push(name.clone());
                }
                slot.load = Load::NotFound;
            }
            if let Some(load) = broken.get(name) {
                slot.load = load.clone();
            }
        }
        for (name, unit) in units {
            match self.names.get(&name).copied() {
                Some(id) => {
                    let slot = self.slot(id);
                    if slot.load == Load::NotFound && slot.sub == Sub::Dead {
                        changes.added.push(name);
                    } else if *slot.unit != unit {
                        changes.changed.push(name);
                    }
                    slot.load = Load::Loaded;
                    if *slot.unit != unit {
                        slot.unit = Arc::new(unit);
                    }
                }
                None => {
                    changes.added.push(name);
                    self.add(unit, Load::Loaded);
                }
            }
        }
        for (name, load) in broken {
            if let (None, Some(unit)) = (self.names.get(&name), Unit::named(&name)) {
                self.add(unit, load);
            }
        }
        // Names that units need stand for something, if only to say that it is not there.
        let named: Vec<String> = self.slots.iter().flat_map(links::needed).collect();
        for name in named {
            if let (None, Some(unit)) = (self.names.get(&name), Unit::named(&name)) {
                self.add(unit, Load::NotFound);
            }
        }
        let all = links::of(&self.slots, &self.names);
        for (slot, links) in self.slots.iter_mut().zip(all) {
            slot.links = links;
        }
        changes
    }

    fn add(&mut self, unit: Unit, load: Load) {
        // Units are bounded where they are read; whoever brings more than numbers there are for brings none.
        let Ok(number) = u32::try_from(self.slots.len()) else { return };
        self.names.insert(unit.name.clone(), UnitId(number));
        let run = Run::default();
        let (links, since) = (links::Links::default(), self.now);
        self.slots.push(Slot { unit: Arc::new(unit), load, links, sub: Sub::Dead, since, run });
    }
}
