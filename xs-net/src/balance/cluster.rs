//! The members, their state, and who of them can be picked at the moment: [`Cluster`] and [`Candidates`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Load, LoadOptions};
use super::outlier::OutlierOptions;
use super::slow_start::{SlowStart, WHOLE};
use crate::count::count;
use crate::endpoint::{Change, Endpoint};

/// What a [`Cluster`] goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterOptions {
    /// How latencies are averaged.
    pub load: LoadOptions,
    /// How newcomers, and those who come back, begin. Default: with their whole weight.
    pub slow_start: SlowStart,
    /// Who is left out for failing. `None`: nobody. Default: [`OutlierOptions::default`].
    pub outlier: Option<OutlierOptions>,
    /// When fewer than so many percent of the members are well, all of them count, well or not. Zero: never; then there
    /// may be nobody to pick. Default 50.
    pub panic_percent: u8,
    /// Whether a member counts as well before its first check. Default yes; say no only if something checks.
    pub well_unchecked: bool,
    /// No more members than so many; others are refused. Default 65,536.
    pub most_members: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions {
            load: LoadOptions::default(),
            slow_start: SlowStart::default(),
            outlier: Some(OutlierOptions::default()),
            panic_percent: 50,
            well_unchecked: true,
            most_members: 1 << 16,
        }
    }
}

/// What a change has done to a [`Cluster`]. Whoever keeps something beside each member does the same to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There is a new member at this index; those behind it have moved up.
    Inserted(usize),
    /// The member at this index has another weight or zone.
    Updated(usize),
    /// The member that was at this index is gone; those behind it have moved down.
    Removed(usize),
    /// It was so already.
    Nothing,
    /// There is no place for another member.
    Full,
}

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Who it is.
    pub endpoint: Endpoint,
    /// Whether its checks succeed.
    pub well: bool,
    /// Until when it is left out for failing.
    pub ejected_until: Option<Instant>,
    /// How often it was left out so far.
    pub ejections: u64,
    /// The calls under way.
    pub outstanding: u32,
    /// The peak average of its latency.
    pub latency: Duration,
}

#[derive(Debug)]
struct Member {
    load: Arc<Load>,
    well: bool,
    ejected_until: Option<Instant>,
    /// How often it was ejected, less the intervals in which it wasn't.
    ejections: u32,
    /// How often it was ejected in all.
    ejected: u64,
    /// Since when it has been in; slow start counts from here.
    since: Instant,
}

impl Member {
    fn is_in(&self) -> bool {
        self.well && self.ejected_until.is_none()
    }
}

/// A part of the candidates: those of one zone, or all.
#[derive(Debug, Default)]
struct Group {
    zone: Option<Arc<str>>,
    /// In order.
    indices: Vec<u32>,
    /// Of their nominal weights.
    weight: u64,
}

/// The members in order of their names, so that their order is the same in every process that knows the same ones.
#[derive(Debug)]
pub struct Cluster {
    name: Arc<str>,
    options: ClusterOptions,
    endpoints: Vec<Endpoint>,
    members: Vec<Member>,
    /// Whether each member is among the candidates.
    open: Vec<bool>,
    all: Group,
    zones: Vec<Group>,
    panicking: bool,
    /// Something has changed since the candidates were worked out.
    stale: bool,
    /// The one weight that all candidates have, if so.
    even: Option<u32>,
    ejected: usize,
    /// By when the last newcomer has its whole weight.
    warm_at: Instant,
    /// When the next term ends, or rates are compared.
    next_event: Option<Instant>,
    next_sweep: Option<Instant>,
}

impl Cluster {
    /// Nobody yet. `name` is what events and counters call it.
    pub fn new(name: impl Into<Arc<str>>, options: ClusterOptions, now: Instant) -> Self {
        let next_sweep = options.outlier.as_ref().and_then(|outlier| now.checked_add(outlier.interval));
        Cluster {
            name: name.into(),
            options,
            endpoints: Vec::new(),
            members: Vec::new(),
            open: Vec::new(),
            all: Group::default(),
            zones: Vec::new(),
            panicking: false,
            stale: false,
            even: None,
            ejected: 0,
            warm_at: now,
            next_event: next_sweep,
            next_sweep,
        }
    }

    /// The members, in order of their names. An index means the same here, in [`Candidates`] and in [`Applied`].
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Where the member of this name is.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.endpoints.binary_search_by(|endpoint| (*endpoint.name).cmp(name)).ok()
    }

    /// The load of a member.
    pub fn load(&self, index: usize) -> Option<&Arc<Load>> {
        self.members.get(index).map(|member| &member.load)
    }

    /// How many members are left out for failing.
    pub fn ejected(&self) -> usize {
        self.ejected
    }

    /// What is known of each member.
    pub fn status(&self, now: Instant) -> impl Iterator<Item = Status> + '_ {
        self.endpoints.iter().zip(&self.members).map(move |(endpoint, member)| Status {
            endpoint: endpoint.clone(),
            well: member.well,
            ejected_until: member.ejected_until,
            ejections: member.ejected,
            outstanding: member.load.outstanding(),
            latency: member.load.latency(now),
        })
    }

    /// Takes a change in. After anything but [`Applied::Nothing`] and [`Applied::Full`], tell the policy
    /// ([`Policy::changed`](super::Policy::changed)).
    pub fn apply(&mut self, change: Change, now: Instant) -> Applied {
        let applied = match change {
            Change::Insert(endpoint) => match self.endpoints.binary_search_by(|other| other.name.cmp(&endpoint.name)) {
                Ok(index) if self.endpoints[index] == endpoint => Applied::Nothing,
                Ok(index) => {
                    self.endpoints[index] = endpoint;
                    Applied::Updated(index)
                }
                Err(_) if self.endpoints.len() >= self.options.most_members => {
                    tracing::warn!(name = &*self.name, %endpoint, "no place for another member");
                    Applied::Full
                }
                Err(index) => {
                    tracing::info!(name = &*self.name, %endpoint, "a new member");
                    let load = Arc::new(Load::new(&self.options.load, now));
                    let well = self.options.well_unchecked;
                    let member = Member { load, well, ejected_until: None, ejections: 0, ejected: 0, since: now };
                    self.endpoints.insert(index, endpoint);
                    self.members.insert(index, member);
                    Applied::Inserted(index)
                }
            },
            Change::Remove(name) => match self.find(&name) {
                None => Applied::Nothing,
                Some(index) => {
                    tracing::info!(name = &*self.name, endpoint = &*name, "a member is gone");
                    self.endpoints.remove(index);
                    let member = self.members.remove(index);
                    self.ejected -= usize::from(member.ejected_until.is_some());
                    Applied::Removed(index)
                }
            },
        };
        if let Applied::Removed(_) = applied {
            self.readmit_surplus(now);
        }
        self.stale |= !matches!(applied, Applied::Nothing | Applied::Full);
        applied
    }

    /// What the checks of a member say. False if there is no such member.
    pub fn set_well(&mut self, name: &str, well: bool, now: Instant) -> bool {
        let Some(index) = self.find(name) else { return false };
        let member = &mut self.members[index];
        if member.well != well {
            member.well = well;
            member.since = now;
            tracing::warn!(name = &*self.name, endpoint = name, well, "the checks say");
            self.stale = true;
        }
        true
    }

    /// A member has failed so often in a row; it is ejected if that is too often.
    pub fn failed(&mut self, name: &str, in_a_row: u32, now: Instant) {
        let Some(outlier) = &self.options.outlier else { return };
        let Some(index) = self.find(name) else { return };
        if outlier.failures_in_a_row > 0 && in_a_row >= outlier.failures_in_a_row {
            self.eject(index, now);
        }
    }

    /// From how many failures in a row on [`Cluster::failed`] wants to hear of them.
    pub fn failures_to_report(&self) -> Option<u32> {
        self.options.outlier.as_ref().map(|outlier| outlier.failures_in_a_row).filter(|&limit| limit > 0)
    }

    /// Who can be picked now, without those whose names are in `tried`.
    pub fn candidates<'a>(&'a mut self, now: Instant, tried: &'a [Arc<str>]) -> Candidates<'a> {
        if self.next_event.is_some_and(|at| now >= at) {
            self.tick(now);
        }
        if self.stale {
            self.rebuild(now);
        }
        Candidates { cluster: self, group: &self.all, tried, now }
    }

    /// Ends terms that are over, and compares rates if it is time.
    #[cold]
    fn tick(&mut self, now: Instant) {
        for index in 0..self.members.len() {
            if self.members[index].ejected_until.is_some_and(|until| now >= until) {
                self.readmit(index, now);
            }
        }
        if self.next_sweep.is_some_and(|at| now >= at) {
            self.sweep(now);
        }
        self.stale = true;
    }

    fn sweep(&mut self, now: Instant) {
        let Some(outlier) = self.options.outlier.clone() else { return };
        self.next_sweep = now.checked_add(outlier.interval);
        let tallies: Vec<_> = self.members.iter().map(|member| member.load.take_tally()).collect();
        for member in self.members.iter_mut().filter(|member| member.ejected_until.is_none()) {
            member.ejections = member.ejections.saturating_sub(1);
        }
        let Some(floor) = outlier.floor(tallies.iter().copied()) else { return };
        // The worst first: there may not be room for all.
        let rated = tallies.iter().enumerate().filter_map(|(index, &tally)| Some((outlier.rate(tally)?, index)));
        let mut below: Vec<_> = rated.filter(|(rate, _)| *rate < floor).collect();
        below.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, index) in below {
            self.eject(index, now);
        }
    }

    fn eject(&mut self, index: usize, now: Instant) {
        let Some(outlier) = &self.options.outlier else { return };
        let member = &mut self.members[index];
        let endpoint = &*self.endpoints[index].name;
        if member.ejected_until.is_some() {
            return;
        }
        if self.ejected >= outlier.most_of(self.endpoints.len()) {
            tracing::debug!(name = &*self.name, endpoint, "stays in: too many are out already");
            return;
        }
        let term = outlier.term_after(member.ejections);
        // A term that no instant can hold never ends; the sweep's interval is as good as any then.
        member.ejected_until = now.checked_add(term).or(self.next_sweep);
        member.ejections = member.ejections.saturating_add(1);
        member.ejected += 1;
        self.ejected += usize::from(member.ejected_until.is_some());
        tracing::warn!(name = &*self.name, endpoint, ?term, "ejected");
        count("xs_balance_ejections_total", &self.name);
        self.stale = true;
    }

    fn readmit(&mut self, index: usize, now: Instant) {
        self.stale = true;
        let member = &mut self.members[index];
        if member.ejected_until.take().is_some() {
            self.ejected -= 1;
            member.since = now;
            member.load.forgive();
            tracing::info!(name = &*self.name, endpoint = &*self.endpoints[index].name, "back in");
        }
    }

    /// With fewer members, fewer may be out: those whose terms end first come back.
    fn readmit_surplus(&mut self, now: Instant) {
        let most = self.options.outlier.as_ref().map_or(0, |outlier| outlier.most_of(self.members.len()));
        while self.ejected > most {
            let out =
                self.members.iter().enumerate().filter_map(|(index, member)| Some((member.ejected_until?, index)));
            let Some((_, index)) = out.min() else { break };
            self.readmit(index, now);
        }
    }

    /// Works out who the candidates are. O(members), and once for all changes since the last pick.
    #[cold]
    fn rebuild(&mut self, now: Instant) {
        self.stale = false;
        let working = || self.endpoints.iter().zip(&self.members).filter(|(endpoint, _)| endpoint.weight > 0);
        let (count, well) = (working().count(), working().filter(|(_, member)| member.is_in()).count());
        let panicking = count > 0 && well * 100 < count * usize::from(self.options.panic_percent);
        if panicking != self.panicking {
            tracing::warn!(name = &*self.name, well, of = count, panicking, "so many members are well");
            self.panicking = panicking;
        }
        let is_open = |(endpoint, member): (&Endpoint, &Member)| endpoint.weight > 0 && (panicking || member.is_in());
        self.open = self.endpoints.iter().zip(&self.members).map(is_open).collect();
        self.all = Group::default();
        self.zones.clear();
        self.even = None;
        let mut uneven = false;
        self.warm_at = now;
        for (index, endpoint) in self.endpoints.iter().enumerate().filter(|(index, _)| self.open[*index]) {
            uneven |= self.even.is_some_and(|weight| weight != endpoint.weight);
            self.even = Some(endpoint.weight);
            let warm = self.members[index].since.checked_add(self.options.slow_start.window);
            self.warm_at = warm.map_or(self.warm_at, |warm| warm.max(self.warm_at));
            let zone = match self.zones.iter().position(|group| group.zone == endpoint.zone) {
                Some(zone) => zone,
                None => {
                    self.zones.push(Group { zone: endpoint.zone.clone(), ..Group::default() });
                    self.zones.len() - 1
                }
            };
            for group in [&mut self.all, &mut self.zones[zone]] {
                group.indices.push(index as u32);
                group.weight += u64::from(endpoint.weight);
            }
        }
        self.even = self.even.filter(|_| !uneven);
        let terms = self.members.iter().filter_map(|member| member.ejected_until);
        self.next_event = terms.chain(self.next_sweep).min();
    }

    fn weight(&self, index: usize, now: Instant) -> u64 {
        let weight = u64::from(self.endpoints[index].weight);
        if now >= self.warm_at {
            return weight * WHOLE;
        }
        weight * self.options.slow_start.factor(now.saturating_duration_since(self.members[index].since))
    }
}

/// One who can be picked.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Where it stands in [`Cluster::endpoints`].
    pub index: usize,
    /// Its name.
    pub name: &'a Arc<str>,
    /// Its weight at the moment, in 1/256ths; at least 1.
    pub weight: u64,
    /// What it has to do.
    pub load: &'a Load,
}

/// Who can be picked at one moment: not the unwell, the ejected and the drained, and not those that were tried already.
/// When too few are well, the unwell and the ejected are in ([`ClusterOptions::panic_percent`]).
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    cluster: &'a Cluster,
    group: &'a Group,
    tried: &'a [Arc<str>],
    now: Instant,
}

impl<'a> Candidates<'a> {
    /// The moment.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = Candidate<'a>> + Clone + use<'a> {
        let this = *self;
        self.group.indices.iter().filter_map(move |&index| this.untried(index as usize))
    }

    /// The candidate at an index of [`Cluster::endpoints`], if it is one.
    pub fn get(&self, index: usize) -> Option<Candidate<'a>> {
        let cluster = self.cluster;
        let here = std::ptr::eq(self.group, &cluster.all) || cluster.endpoints.get(index)?.zone == self.group.zone;
        if here && cluster.open.get(index).copied().unwrap_or(false) { self.untried(index) } else { None }
    }

    /// The member at an index for somebody who belongs there already: also if it drains, but not if it is unwell, ejected
    /// or was tried.
    pub fn pinned(&self, index: usize) -> Option<Candidate<'a>> {
        let member = self.cluster.members.get(index)?;
        if member.is_in() || self.cluster.open[index] { self.untried(index) } else { None }
    }

    /// At least as many as there are: those that were tried are among them.
    pub fn places(&self) -> usize {
        self.group.indices.len()
    }

    /// The candidate at one of the [`Candidates::places`], in order of names; `None` if it was tried. Constant time, for
    /// drawing by chance.
    pub fn place(&self, place: usize) -> Option<Candidate<'a>> {
        self.untried(*self.group.indices.get(place)? as usize)
    }

    /// The first place whose index is `index` or comes after it; [`Candidates::places`] if there is none.
    pub fn place_from(&self, index: usize) -> usize {
        self.group.indices.partition_point(|&other| (other as usize) < index)
    }

    /// Whether all have the same weight at the moment. May say no of some that have.
    pub fn are_even(&self) -> bool {
        self.cluster.even.is_some() && self.now >= self.cluster.warm_at
    }

    /// How many members there are, whether they are candidates or not.
    pub fn members(&self) -> usize {
        self.cluster.endpoints.len()
    }

    /// Whether so few members are well that all count.
    pub fn is_panicking(&self) -> bool {
        self.cluster.panicking
    }

    /// The zones that have candidates, each with the weights and the number of those, tried or not.
    pub fn zones(&self) -> impl Iterator<Item = (Option<&'a Arc<str>>, u64, usize)> + Clone + use<'a> {
        self.cluster.zones.iter().map(|group| (group.zone.as_ref(), group.weight, group.indices.len()))
    }

    /// The candidates of one zone. None if there is no such zone.
    pub fn within(&self, zone: Option<&Arc<str>>) -> Option<Candidates<'a>> {
        let group = self.cluster.zones.iter().find(|group| group.zone.as_ref() == zone)?;
        Some(Candidates { group, ..*self })
    }

    /// The zone that these are the candidates of; none if they are all.
    pub(super) fn zone(&self) -> Option<&'a Arc<str>> {
        self.group.zone.as_ref()
    }

    fn untried(&self, index: usize) -> Option<Candidate<'a>> {
        let name = &self.cluster.endpoints[index].name;
        if !self.tried.is_empty() && self.tried.contains(name) {
            return None;
        }
        // Whoever drains and is still pinned to has a weight as well: nothing divides by zero.
        let weight = self.cluster.weight(index, self.now).max(1);
        Some(Candidate { index, name, weight, load: &self.cluster.members[index].load })
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
