//! Units from files: systemd's syntax, or TOML with the same keys.

mod environment;
mod implicit;
mod ini;
mod keys;
mod read;
mod toml;
mod values;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

pub use environment::environment_file;
pub(super) use implicit::service_of;
pub use values::time_span;
pub use words::Host;

use super::machine::Load;
use super::unit::{Kind, Relation, Type, Unit};

/// What is wrong with an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// There is no such key.
    Unknown,
    /// There is, and it is left out.
    Unsupported,
    /// There is, and the unit can't be what it should without it.
    Refused,
    /// Its value makes no sense.
    Bad(String),
}

/// Something to say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which file.
    pub file: PathBuf,
    /// Which of its lines, from 1; 0 for the whole.
    pub line: usize,
    /// Whether the unit cannot be used for it.
    pub fatal: bool,
    /// What there is to say.
    pub message: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            0 => write!(f, "{file}: {}", self.message),
            line => write!(f, "{file}:{line}: {}", self.message),
        }
    }
}

/// More files and names than this are not read.
pub const MOST_UNITS: usize = 4096;

/// Whether a unit can have this name.
///
/// # Errors
///
/// Why not.
fn valid_name(name: &str) -> Result<(), String> {
    let (stem, _) = name.rsplit_once('.').ok_or_else(|| format!("'{name}' has no suffix such as .service"))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if stem.is_empty() || stem.starts_with('@') || name.len() > 255 || !name.chars().all(allowed) {
        return Err(format!("'{name}' is not a valid unit name"));
    }
    Ok(())
}

/// `foo@bar.service` as its template `foo@.service`; `None` for what has no instance.
fn template_of(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

/// One file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    path: PathBuf,
    text: String,
}

/// The files that units are read from, by name; nothing is read from a disk but by [`Files::read_dir`].
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// By the unit's name; of templates as well.
    texts: BTreeMap<String, Text>,
    /// TOML files, which may have several units in them.
    tomls: Vec<Text>,
    /// By the name of the directory without `.d`.
    drop_ins: BTreeMap<String, Vec<Text>>,
    /// Dependencies by links in `.wants` and `.requires`.
    links: Vec<(String, Relation, String)>,
    notices: Vec<Notice>,
}

/// What files have become.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The units, by name.
    pub units: BTreeMap<String, Unit>,
    /// Units that are there in files and are none, because they are masked or make no sense.
    pub broken: BTreeMap<String, Load>,
    /// All that is to be said about the files.
    pub notices: Vec<Notice>,
}

impl Files {
    /// No files.
    pub fn new() -> Files {
        Files::default()
    }

    /// Adds a file by its name: `x.service`, `x.socket`, `x.target`, `x.toml`, others are said to be none.
    pub fn add(&mut self, path: &Path, text: &str) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = Text { path: path.to_owned(), text: text.to_owned() };
        if text.len() > ini::LONGEST {
            return self.refuse(path, format!("longer than {} bytes", ini::LONGEST));
        }
        if name.ends_with(".toml") {
            return self.tomls.push(file);
        }
        match valid_name(&name) {
            Ok(()) if Unit::named(&name).is_some() => {
                self.texts.insert(name, file);
            }
            Ok(()) => self.refuse(path, "units of this kind are not supported".into()),
            Err(why) => self.refuse(path, why),
        }
    }

    /// Adds a drop-in for the unit, template or kind of unit that is named: `x.service`, `x@.service`, `service`.
    pub fn add_drop_in(&mut self, owner: &str, path: &Path, text: &str) {
        let file = Text { path: path.to_owned(), text: text.to_owned() };
        if text.len() > ini::LONGEST {
            return self.refuse(path, format!("longer than {} bytes", ini::LONGEST));
        }
        self.drop_ins.entry(owner.to_owned()).or_default().push(file);
    }

    fn refuse(&mut self, file: &Path, message: String) {
        self.notices.push(Notice { file: file.to_owned(), line: 0, fatal: true, message });
    }

    /// All units that are not templates, and all instances that they name.
    pub fn load(&self, host: &Host) -> Loaded {
        let mut loaded = Loaded { notices: self.notices.clone(), ..Loaded::default() };
        self.load_toml(host, &mut loaded);
        for name in self.texts.keys().filter(|name| !name.contains("@.")) {
            self.load_text(name, host, &mut loaded);
        }
        for name in implicit::TARGETS {
            if let (false, Some(unit)) = (loaded.units.contains_key(name), Unit::named(name)) {
                loaded.units.insert(name.into(), unit);
            }
        }
        self.complete(host, &mut loaded);
        loaded
    }

    /// The same, with instances that a command has named.
    pub fn load_with(&self, host: &Host, instances: &BTreeSet<String>) -> Loaded {
        let mut loaded = self.load(host);
        for name in instances {
            self.load_instance(name, host, &mut loaded);
        }
        self.complete(host, &mut loaded);
        loaded
    }

    /// Whether a template stands behind this name.
    pub fn has_template_of(&self, name: &str) -> bool {
        valid_name(name).is_ok() && template_of(name).is_some_and(|template| self.texts.contains_key(&template))
    }

    /// Loads named instances until no new ones are named, and adds what follows from a unit's kind.
    fn complete(&self, host: &Host, loaded: &mut Loaded) {
        for (owner, relation, name) in &self.links {
            if let Some(unit) = loaded.units.get_mut(owner) {
                unit.relate(*relation, name);
            }
        }
        let mut seen = BTreeSet::new();
        loop {
            let named = loaded.units.values().flat_map(|unit| {
                let services = unit.as_socket().and_then(|socket| socket.service.clone());
                unit.dependencies.values().flatten().cloned().chain(services)
            });
            let new: Vec<String> = named.filter(|name| !seen.contains(name)).collect();
            if new.is_empty() || loaded.units.len() > MOST_UNITS {
                break;
            }
            for name in new {
                self.load_instance(&name, host, loaded);
                seen.insert(name);
            }
        }
        if loaded.units.len() > MOST_UNITS {
            let message = format!("more than {MOST_UNITS} units; those last in the alphabet are left out");
            loaded.notices.push(Notice { file: PathBuf::new(), line: 0, fatal: true, message });
            while loaded.units.len() > MOST_UNITS {
                loaded.units.pop_last();
            }
        }
        implicit::complete(&mut loaded.units);
    }

    fn load_instance(&self, name: &str, host: &Host, loaded: &mut Loaded) {
        if !loaded.units.contains_key(name) && self.has_template_of(name) {
            self.load_text(name, host, loaded);
        }
    }

    fn load_text(&self, name: &str, host: &Host, loaded: &mut Loaded) {
        let template = template_of(name);
        let text = self.texts.get(name).or_else(|| self.texts.get(template.as_ref()?));
        let (Some(text), Some(unit)) = (text, Unit::named(name)) else { return };
        if loaded.units.contains_key(name) || loaded.broken.contains_key(name) {
            let message = format!("{name} is defined in another file as well; this one is left out");
            return loaded.notices.push(Notice { file: text.path.clone(), line: 0, fatal: true, message });
        }
        if text.text.is_empty() {
            // As a link to /dev/null is: the way to say that there is to be no such unit.
            loaded.broken.insert(name.to_owned(), Load::Masked);
            return;
        }
        let (entries, wrong) = ini::parse(&text.text);
        let entries = entries.iter().map(|e| (e.line, e.section.to_owned(), e.key.to_owned(), e.value.clone()));
        self.finish(unit, text, entries.collect(), wrong, host, loaded);
    }

    fn load_toml(&self, host: &Host, loaded: &mut Loaded) {
        for text in &self.tomls {
            match toml::units(text) {
                Ok(units) => {
                    for (unit, entries) in units {
                        if loaded.units.contains_key(&unit.name) || loaded.broken.contains_key(&unit.name) {
                            let message =
                                format!("{} is defined in another file as well; this one is left out", unit.name);
                            loaded.notices.push(Notice { file: text.path.clone(), line: 0, fatal: true, message });
                        } else {
                            self.finish(unit, text, entries, Vec::new(), host, loaded);
                        }
                    }
                }
                Err((line, message)) => {
                    loaded.notices.push(Notice { file: text.path.clone(), line, fatal: true, message });
                }
            }
        }
    }

    /// Assigns everything, drop-ins last, and keeps the unit if it makes sense.
    fn finish(
        &self,
        mut unit: Unit,
        text: &Text,
        entries: Vec<(usize, String, String, String)>,
        wrong: Vec<(usize, Problem)>,
        host: &Host,
        loaded: &mut Loaded,
    ) {
        let name = unit.name.clone();
        let mut why = None;
        let mut tell = |file: &Path, line: usize, problem: Problem, section: &str, key: &str| {
            let fatal = problem == Problem::Refused;
            let message = match problem {
                Problem::Unknown => format!("Unknown key '{key}' in section [{section}], ignoring."),
                Problem::Unsupported => format!("{key}= in section [{section}] is not supported, ignoring."),
                Problem::Refused => format!("{key}= in section [{section}] is not supported, and {name} needs it."),
                Problem::Bad(message) if key.is_empty() => format!("{message}."),
                Problem::Bad(message) => format!("{key}=: {}.", message.trim_end_matches('.')),
            };
            if fatal {
                why.get_or_insert_with(|| message.clone());
            }
            loaded.notices.push(Notice { file: file.to_owned(), line, fatal, message });
        };
        for (line, problem) in wrong {
            tell(&text.path, line, problem, "", "");
        }
        unit.sources.push(text.path.clone());
        let mut limited = false;
        let mut assign = |unit: &mut Unit, path: &Path, entries: Vec<(usize, String, String, String)>| {
            let mut draft = keys::Draft::new(unit, host);
            for (line, section, key, value) in entries {
                limited |= matches!(key.as_str(), "TimeoutStartSec" | "TimeoutSec");
                draft.assign(line, &section, &key, &value);
                for (line, problem) in std::mem::take(&mut draft.problems) {
                    tell(path, line, problem, &section, &key);
                }
            }
        };
        assign(&mut unit, &text.path, entries);
        for drop_in in self.drop_ins_of(&unit.name) {
            let (entries, _) = ini::parse(&drop_in.text);
            let entries = entries.iter().map(|e| (e.line, e.section.to_owned(), e.key.to_owned(), e.value.clone()));
            unit.sources.push(drop_in.path.clone());
            assign(&mut unit, &drop_in.path, entries.collect());
        }
        // What runs once takes as long as it takes, unless something else is said.
        if let Kind::Service(service) = &mut unit.kind
            && service.kind == Type::Oneshot
            && !limited
        {
            service.timeout_start = None;
        }
        if let Err(message) = sensible(&unit) {
            why.get_or_insert_with(|| message.clone());
            loaded.notices.push(Notice { file: text.path.clone(), line: 0, fatal: true, message });
        }
        match why {
            None => loaded.units.insert(unit.name.clone(), unit).map(|_| ()),
            Some(why) => loaded.broken.insert(unit.name, Load::BadSetting(why)).map(|_| ()),
        };
    }

    /// Those for its kind first, then its template's, then its own; in each, by the name of the file.
    fn drop_ins_of(&self, name: &str) -> Vec<&Text> {
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix.to_owned());
        let owners = [suffix, template_of(name), Some(name.to_owned())];
        let all = owners.into_iter().flatten().filter_map(|owner| self.drop_ins.get(&owner));
        let mut texts: Vec<&Text> = Vec::new();
        for group in all {
            let mut group: Vec<&Text> = group.iter().collect();
            group.sort_by_key(|text| text.path.file_name().map(ToOwned::to_owned));
            texts.extend(group);
        }
        texts
    }
}

/// Whether a unit can be what its files say.
fn sensible(unit: &Unit) -> Result<(), String> {
    match &unit.kind {
        Kind::Service(service) => {
            let oneshot = service.kind == Type::Oneshot;
            let refused = match service.exec_start.len() {
                0 if service.exec_stop.is_empty() => "Service has no ExecStart= or ExecStop=. Refusing.",
                0 if !service.remain_after_exit && !oneshot => {
                    "Service has no ExecStart=, which is allowed only with RemainAfterExit=yes. Refusing."
                }
                0 if !oneshot => {
                    "Service has no ExecStart=, which is allowed only for Type=oneshot services. Refusing."
                }
                n if n > 1 && !oneshot => {
                    "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot services. Refusing."
                }
                _ if oneshot
                    && matches!(service.restart, super::unit::Restart::Always | super::unit::Restart::OnSuccess) =>
                {
                    "Service has Restart= set to either always or on-success, which isn't allowed for Type=oneshot services. Refusing."
                }
                _ => return Ok(()),
            };
            Err(refused.into())
        }
        Kind::Socket(socket) if socket.listen.is_empty() => {
            Err("Unit has no Listen setting (ListenStream=, ListenDatagram=, ListenSequentialPacket=). Refusing."
                .into())
        }
        Kind::Socket(_) | Kind::Target => Ok(()),
    }
}
