//! What follows from a unit's kind without being said.

use std::collections::BTreeMap;

use crate::supervisor::unit::{Kind, Relation, Unit};

/// Targets that are there without a file: files order themselves by them, and `default.target` is what a run starts.
pub(super) const TARGETS: [&str; 13] = [
    "basic.target",
    "default.target",
    "graphical.target",
    "local-fs.target",
    "multi-user.target",
    "network-online.target",
    "network.target",
    "nss-lookup.target",
    "remote-fs.target",
    "shutdown.target",
    "sockets.target",
    "sysinit.target",
    "time-sync.target",
];

/// Adds what the kinds of units bring with them. What is there already stays once: it may be called again.
pub(super) fn complete(units: &mut BTreeMap<String, Unit>) {
    let mut more: Vec<(String, Relation, String)> = Vec::new();
    let mut relate = |from: &str, relation, to: &str| more.push((from.to_owned(), relation, to.to_owned()));
    for (from, relation, to) in [
        ("default.target", Relation::Requires, "multi-user.target"),
        ("graphical.target", Relation::Requires, "multi-user.target"),
        ("multi-user.target", Relation::Requires, "basic.target"),
        ("basic.target", Relation::Wants, "sockets.target"),
        ("basic.target", Relation::After, "sysinit.target"),
        ("network-online.target", Relation::After, "network.target"),
    ] {
        // Whoever brings a default target of their own says what it is.
        if units.get(from).is_some_and(|unit| unit.sources.is_empty()) {
            relate(from, relation, to);
            relate(from, Relation::After, to);
        }
    }
    for unit in units.values() {
        let name = unit.name.as_str();
        for other in unit.related(Relation::WantedBy) {
            relate(other, Relation::Wants, name);
        }
        for other in unit.related(Relation::RequiredBy) {
            relate(other, Relation::Requires, name);
        }
        match &unit.kind {
            Kind::Service(service) => {
                if unit.default_dependencies {
                    relate(name, Relation::After, "basic.target");
                }
                for socket in &service.sockets {
                    relate(name, Relation::Wants, socket);
                    relate(name, Relation::After, socket);
                }
            }
            Kind::Socket(_) => {
                let service = service_of(unit);
                relate(name, Relation::Before, &service);
                relate(&service, Relation::After, name);
                if unit.default_dependencies {
                    relate(name, Relation::Before, "sockets.target");
                    relate(name, Relation::After, "sysinit.target");
                }
            }
            Kind::Target => {}
        }
    }
    apply(units, more);
    // A target is reached when what it pulls in is: unless that is ordered the other way by itself.
    let mut more = Vec::new();
    for unit in units.values().filter(|unit| unit.kind == Kind::Target && unit.default_dependencies) {
        let pulled = [Relation::Wants, Relation::Requires].into_iter().flat_map(|relation| unit.related(relation));
        for other in pulled {
            let turned = unit.related(Relation::Before).contains(other)
                || units.get(other).is_some_and(|other| other.related(Relation::After).contains(&unit.name));
            if !turned {
                more.push((unit.name.clone(), Relation::After, other.clone()));
            }
        }
    }
    apply(units, more);
}

fn apply(units: &mut BTreeMap<String, Unit>, relations: Vec<(String, Relation, String)>) {
    for (from, relation, to) in relations {
        if let Some(unit) = units.get_mut(&from) {
            unit.relate(relation, &to);
        }
    }
}

/// The service that a socket is for.
pub(in crate::supervisor) fn service_of(unit: &Unit) -> String {
    let said = unit.as_socket().and_then(|socket| socket.service.clone());
    said.unwrap_or_else(|| format!("{}.service", unit.stem()))
}
