//! What is believed: of two claims about a member the one about the later incarnation, and of two about the same one the
//! worse. So it doesn't matter in which order claims come, how often, or from whom: all tables become the same.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::message::{Entry, News};
use super::node::Swim;
use super::suspicion::Suspicion;
use super::{Event, Member, NodeId, State};

impl Swim {
    pub(super) fn on_news(&mut self, now: Instant, news: News) {
        match news {
            News::Alive { id, incarnation, addr, meta } => self.on_alive(now, id, incarnation, addr, meta),
            News::Suspect { id, incarnation, by } => self.on_suspect(now, id, incarnation, by),
            News::Dead { id, incarnation, by } => self.on_gone(now, id, incarnation, State::Dead, by),
            News::Left { id, incarnation } => self.on_gone(now, id, incarnation, State::Left, id),
            News::Event { origin, number, payload } => self.on_event(origin, number, payload),
        }
    }

    /// A line of somebody's table. What others call dead is no more than suspected here as long as it seemed alive: after a
    /// partition each half comes with its list of the dead, all of which live and may say so.
    pub(super) fn on_entry(&mut self, now: Instant, entry: Entry) {
        let Entry { id, state, incarnation, profile, addr, meta } = entry;
        let known = self.table.get(id).is_some();
        if !known && state > State::Suspect {
            return;
        }
        if !known || profile > self.table.get(id).map_or(0, |member| member.profile) {
            self.on_alive(now, id, profile, addr, meta.clone());
        }
        match state {
            State::Alive => self.on_alive(now, id, incarnation, addr, meta),
            State::Suspect => self.on_suspect(now, id, incarnation, self.id),
            State::Dead if id == self.id || self.table.get(id).is_some_and(|member| !member.is_up()) => {
                self.on_gone(now, id, incarnation, State::Dead, self.id);
            }
            State::Dead => self.on_suspect(now, id, incarnation, self.id),
            State::Left => self.on_gone(now, id, incarnation, State::Left, id),
        }
    }

    pub(super) fn on_alive(&mut self, now: Instant, id: NodeId, incarnation: u32, addr: SocketAddr, meta: Bytes) {
        let Some(member) = self.table.get(id) else {
            if self.on_newcomer(now, id, incarnation, addr, &meta) {
                self.tell(id, &News::Alive { id, incarnation, addr, meta });
            }
            return;
        };
        let (same_addr, same_meta) = (member.addr == addr, member.meta == meta);
        if id == self.id {
            if !same_addr && incarnation <= member.incarnation {
                self.events.push_back(Event::Conflict { id, addr });
            } else if incarnation > member.incarnation || (incarnation == member.incarnation && !same_meta) {
                // What this process said in an earlier life, which it doesn't remember.
                self.contradict(now, incarnation);
            }
            return;
        }
        let (was, before) = (member.state, member.claim());
        if incarnation == member.profile && !same_addr && member.is_up() {
            self.events.push_back(Event::Conflict { id, addr });
            return;
        }
        let newer = (incarnation, State::Alive) > before || (mutated!(self, StaleAlive) && was != State::Alive);
        let newer_profile = incarnation > member.profile;
        if !newer && !newer_profile {
            return;
        }
        let changed = newer_profile && !(same_addr && same_meta);
        self.table.change(id, |member| {
            if newer_profile {
                (member.profile, member.addr, member.meta) = (incarnation, addr, Bytes::copy_from_slice(&meta));
            }
            if newer {
                member.incarnation = incarnation;
                if member.state != State::Alive {
                    (member.state, member.since) = (State::Alive, now);
                }
            }
        });
        if newer {
            self.suspicions.remove(&id);
            match was {
                State::Alive => {}
                State::Suspect => self.events.push_back(Event::Trusted(id)),
                State::Dead | State::Left => self.events.push_back(Event::Up(id)),
            }
            self.tell(id, &News::Alive { id, incarnation, addr, meta });
        }
        if changed && was <= State::Suspect {
            self.events.push_back(Event::Updated(id));
        }
    }

    /// Somebody who is not in the table. False if there is no room.
    pub(super) fn on_newcomer(
        &mut self,
        now: Instant,
        id: NodeId,
        incarnation: u32,
        addr: SocketAddr,
        meta: &Bytes,
    ) -> bool {
        if self.table.len() >= self.options.max_members {
            return false;
        }
        // A copy: a few bytes must not keep a whole packet.
        let (meta, profile) = (Bytes::copy_from_slice(meta), incarnation);
        let member = Member { id, addr, meta, state: State::Alive, incarnation, since: now, profile };
        self.table.insert(member, &mut self.rng);
        self.events.push_back(Event::Up(id));
        true
    }

    pub(super) fn on_suspect(&mut self, now: Instant, id: NodeId, incarnation: u32, by: NodeId) {
        let Some(member) = self.table.get(id) else { return };
        if id == self.id {
            if incarnation >= member.incarnation {
                self.contradict(now, incarnation);
            }
            return;
        }
        if let Some(suspicion) = self.suspicions.get_mut(&id)
            && member.claim() == (incarnation, State::Suspect)
        {
            // Told again, so that the others may confirm it too; as often as it counts (Lifeguard, IV-B).
            if suspicion.confirm(by) {
                self.tell(id, &News::Suspect { id, incarnation, by });
            }
            return;
        }
        if (incarnation, State::Suspect) <= member.claim() {
            return;
        }
        let was = member.state;
        self.turn(now, id, incarnation, State::Suspect);
        if was > State::Suspect {
            self.events.push_back(Event::Up(id));
        }
        if was != State::Suspect {
            self.events.push_back(Event::Suspected(id));
        }
        self.suspicions.insert(id, Suspicion::new(now, self.table.up(), by, &self.options));
        self.tell(id, &News::Suspect { id, incarnation, by });
        if self.options.suspicion == 0 {
            self.tick_suspicions(now);
        }
    }

    /// A member is dead, or has left.
    pub(super) fn on_gone(&mut self, now: Instant, id: NodeId, incarnation: u32, state: State, by: NodeId) {
        let Some(member) = self.table.get(id) else { return };
        if id == self.id {
            if incarnation >= member.incarnation {
                self.contradict(now, incarnation);
            }
            return;
        }
        if (incarnation, state) <= member.claim() {
            return;
        }
        let was_up = member.is_up();
        self.turn(now, id, incarnation, state);
        self.suspicions.remove(&id);
        let left = state == State::Left;
        if was_up || left {
            self.events.push_back(if left { Event::Left(id) } else { Event::Down(id) });
        }
        self.tell(id, &if left { News::Left { id, incarnation } } else { News::Dead { id, incarnation, by } });
    }

    fn turn(&mut self, now: Instant, id: NodeId, incarnation: u32, state: State) {
        self.table.change(id, |member| {
            member.incarnation = incarnation;
            if member.state != state {
                (member.state, member.since) = (state, now);
            }
        });
    }

    /// Says that what was said of this member's incarnation is wrong. Only who is accused may raise the number; at its end,
    /// four billion accusations on, nothing can be contradicted any more.
    pub(super) fn contradict(&mut self, now: Instant, incarnation: u32) {
        if self.leaving.is_some() {
            return;
        }
        self.health.worse(1);
        let raised = if mutated!(self, SameIncarnation) { incarnation } else { incarnation.saturating_add(1) };
        self.table.change(self.id, |member| {
            member.incarnation = raised.max(member.incarnation);
            (member.profile, member.since) = (member.incarnation, now);
        });
        self.tell_self();
    }

    /// Suspicions whose time is over.
    pub(super) fn tick_suspicions(&mut self, now: Instant) {
        if mutated!(self, EndlessSuspicion) || self.leaving.is_some() {
            return;
        }
        let over = self.suspicions.iter().filter(|(_, suspicion)| suspicion.deadline() <= now).map(|(id, _)| *id);
        for id in over.collect::<Vec<_>>() {
            let incarnation = self.table.get(id).map_or(0, |member| member.incarnation);
            self.on_gone(now, id, incarnation, State::Dead, self.id);
        }
    }

    fn on_event(&mut self, origin: NodeId, number: u64, payload: Bytes) {
        let payload = Bytes::copy_from_slice(&payload);
        if self.remember_event(origin, number, &payload) && origin != self.id {
            self.events.push_back(Event::User { origin, payload });
        }
    }
}
