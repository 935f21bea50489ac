//! The dependencies of units by number, in both directions.

use std::collections::BTreeMap;

use super::UnitId;
use super::state::Slot;
use crate::supervisor::file::service_of;
use crate::supervisor::unit::{Kind, Relation};

/// What a unit is to others, and they to it.
#[derive(Debug, Default, Clone)]
pub(super) struct Links {
    /// What must be started with it: requires and binds to.
    pub(super) requires: Vec<UnitId>,
    pub(super) requisite: Vec<UnitId>,
    pub(super) wants: Vec<UnitId>,
    pub(super) conflicts: Vec<UnitId>,
    pub(super) conflicted_by: Vec<UnitId>,
    /// Who fails to start when it does.
    pub(super) required_by: Vec<UnitId>,
    /// Who is stopped and restarted with it: who requires it, is bound to it or is a part of it.
    pub(super) takes_along: Vec<UnitId>,
    pub(super) bound_by: Vec<UnitId>,
    pub(super) binds_to: Vec<UnitId>,
    pub(super) after: Vec<UnitId>,
    pub(super) before: Vec<UnitId>,
    pub(super) on_failure: Vec<UnitId>,
    /// The service of a socket.
    pub(super) triggers: Option<UnitId>,
    /// The sockets of a service.
    pub(super) triggered_by: Vec<UnitId>,
}

/// All names that a unit's start or its failure needs to know: those of other relations may be missing for good.
pub(super) fn needed(slot: &Slot) -> Vec<String> {
    let relations = [Relation::Requires, Relation::Requisite, Relation::Wants, Relation::BindsTo, Relation::OnFailure];
    let named = relations.into_iter().flat_map(|relation| slot.unit.related(relation)).cloned();
    let service = matches!(slot.unit.kind, Kind::Socket(_)).then(|| service_of(&slot.unit));
    named.chain(service).collect()
}

/// The links of all units.
pub(super) fn of(slots: &[Slot], names: &BTreeMap<String, UnitId>) -> Vec<Links> {
    let mut all = vec![Links::default(); slots.len()];
    let push = |list: &mut Vec<UnitId>, id: UnitId| {
        if !list.contains(&id) {
            list.push(id);
        }
    };
    for (index, slot) in slots.iter().enumerate() {
        let from = UnitId(index as u32);
        for (relation, others) in &slot.unit.dependencies {
            for to in others.iter().filter_map(|name| names.get(name)).copied() {
                if to == from {
                    continue;
                }
                let (here, there) = (from.index(), to.index());
                match relation {
                    Relation::Requires | Relation::BindsTo => {
                        push(&mut all[here].requires, to);
                        push(&mut all[there].required_by, from);
                        push(&mut all[there].takes_along, from);
                        if *relation == Relation::BindsTo {
                            push(&mut all[there].bound_by, from);
                            push(&mut all[here].binds_to, to);
                        }
                    }
                    Relation::Requisite => {
                        push(&mut all[here].requisite, to);
                        push(&mut all[there].required_by, from);
                        push(&mut all[there].takes_along, from);
                    }
                    Relation::Wants => push(&mut all[here].wants, to),
                    Relation::PartOf => push(&mut all[there].takes_along, from),
                    Relation::Conflicts => {
                        push(&mut all[here].conflicts, to);
                        push(&mut all[there].conflicted_by, from);
                    }
                    Relation::After => {
                        push(&mut all[here].after, to);
                        push(&mut all[there].before, from);
                    }
                    Relation::Before => {
                        push(&mut all[here].before, to);
                        push(&mut all[there].after, from);
                    }
                    Relation::OnFailure => push(&mut all[here].on_failure, to),
                    // They became wants and requires of the other unit when files were read.
                    Relation::WantedBy | Relation::RequiredBy => {}
                }
            }
        }
        if let (Kind::Socket(_), Some(service)) = (&slot.unit.kind, names.get(&service_of(&slot.unit))) {
            all[index].triggers = Some(*service);
            push(&mut all[service.index()].triggered_by, from);
        }
        if let Kind::Service(service) = &slot.unit.kind {
            for socket in service.sockets.iter().filter_map(|name| names.get(name)).copied() {
                push(&mut all[index].triggered_by, socket);
            }
        }
    }
    all
}
