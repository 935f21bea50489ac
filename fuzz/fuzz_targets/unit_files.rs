//! Unit files in both syntaxes, drop-ins and files of variables: no input panics, what is loaded makes a machine and a graph, and
//! whatever the units say of one another, starting them all ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xs_os::Nanos;
use xs_os::supervisor::{Action, Command, Files, Graph, Host, Machine, SpawnError, environment_file, time_span};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    environment_file(text);
    let _ = time_span(text);
    let mut files = Files::new();
    for (part, name) in text.split('\0').zip(["a.service", "b@.service", "c.socket", "d.target", "e.toml", "b@x.service"]) {
        files.add(name.as_ref(), part);
        files.add_drop_in("a.service", "x.conf".as_ref(), part);
    }
    let loaded = files.load(&Host::new());
    let graph = Graph::new(&loaded.units);
    (graph.cycles(), graph.dot());
    let names: Vec<String> = loaded.units.keys().cloned().collect();
    names.iter().for_each(|name| drop((graph.tree(name), graph.closure(name))));

    let now = Nanos::new(1);
    let mut machine = Machine::new(loaded.units.clone(), loaded.broken.clone());
    for name in &names {
        let _ = machine.handle_command(now, Command::Start, name);
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Spawn { unit, role, .. } => {
                    let error = SpawnError { status: Some(203), message: String::new() };
                    machine.handle_spawned(now, unit, role, Err(error));
                }
                Action::Listen(unit) => machine.handle_listening(now, unit, Ok(())),
                Action::FindMain(unit) => machine.handle_main(now, unit, None),
                Action::Connect(unit, _) => machine.handle_probed(now, unit, false),
                _ => {}
            }
        }
    }
    machine.handle_reload(now, loaded.units, loaded.broken);
    machine.handle_shutdown(now);
});
