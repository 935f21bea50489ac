//! Asking one member a period whether it is there, directly and through others; and asking on behalf of others.

use std::net::SocketAddr;
use std::time::Instant;

use super::message::Body;
use super::node::Swim;
use super::{NodeId, State};

/// The question of this period.
#[derive(Debug)]
pub(super) struct Probe {
    target: NodeId,
    seq: u32,
    /// When others are asked for help; none once they were.
    help_at: Option<Instant>,
    answered: bool,
    helpers: Vec<NodeId>,
    /// Helpers that have said that they have no answer either.
    nacks: Vec<NodeId>,
}

/// A question on behalf of somebody else.
#[derive(Debug)]
pub(super) struct Relay {
    target: NodeId,
    seq: u32,
    /// Who asked, and by what number.
    asker: SocketAddr,
    asker_seq: u32,
    /// When it is told that there was no answer; none once it was.
    nack_at: Option<Instant>,
    ends: Instant,
}

impl Swim {
    /// The end of one period and the beginning of the next.
    pub(super) fn next_period(&mut self, now: Instant) {
        if let Some(probe) = self.probe.take()
            && !probe.answered
        {
            // Helpers that say nothing at all are a sign that it is us who are not heard (Lifeguard, IV-A).
            let silent = probe.helpers.len() - probe.nacks.len();
            self.health.worse(if probe.helpers.is_empty() { 1 } else { silent as u32 });
            self.failed(now, probe.target);
        }
        self.period_ends = now + self.health.stretch(self.options.period);
        let target = if mutated!(self, RandomProbes) {
            let myself = self.id;
            self.table.some(1, &mut self.rng, |m| m.is_up() && m.id != myself).first().map(|m| m.id)
        } else {
            self.table.next(&mut self.rng)
        };
        let Some(target) = target else { return };
        let seq = self.next_seq();
        let help_at = Some(now + self.health.stretch(self.options.probe_timeout));
        self.probe = Some(Probe { target, seq, help_at, answered: false, helpers: Vec::new(), nacks: Vec::new() });
        self.ping(target, seq);
    }

    fn ping(&mut self, target: NodeId, seq: u32) {
        if let Some(addr) = self.table.get(target).map(|member| member.addr) {
            self.send(addr, Some(target), &Body::Ping { seq, to: target });
        }
    }

    /// A member has not answered, whoever asked.
    fn failed(&mut self, now: Instant, target: NodeId) {
        let Some(member) = self.table.get(target).filter(|member| member.is_up()) else { return };
        // Whoever is leaving doesn't judge any more.
        if self.leaving.is_none() {
            let incarnation = member.incarnation + u32::from(mutated!(self, RaiseOthers));
            self.on_suspect(now, target, incarnation, self.id);
        }
    }

    pub(super) fn tick_probes(&mut self, now: Instant) {
        if let Some(probe) = &mut self.probe
            && probe.help_at.is_some_and(|at| at <= now)
        {
            probe.help_at = None;
            if !probe.answered {
                self.ask_for_help();
            }
        }
        let mut nacks = Vec::new();
        for relay in &mut self.relays {
            if relay.nack_at.is_some_and(|at| at <= now) {
                relay.nack_at = None;
                nacks.push((relay.asker, relay.asker_seq));
            }
        }
        self.relays.retain(|relay| relay.ends > now);
        for (asker, seq) in nacks {
            self.send(asker, None, &Body::Nack { seq });
        }
        if self.period_ends <= now {
            self.next_period(now);
        }
    }

    fn ask_for_help(&mut self) {
        let Some(probe) = &self.probe else { return };
        let (target, seq, myself) = (probe.target, probe.seq, self.id);
        let helpers = self.table.some(self.options.helpers, &mut self.rng, |member| {
            member.state == State::Alive && member.id != target && member.id != myself
        });
        let helpers: Vec<(NodeId, SocketAddr)> = helpers.into_iter().map(|member| (member.id, member.addr)).collect();
        for (id, addr) in &helpers {
            self.send(*addr, Some(*id), &Body::PingReq { seq, target });
        }
        if let Some(probe) = &mut self.probe {
            probe.helpers = helpers.into_iter().map(|(id, _)| id).collect();
        }
    }

    pub(super) fn on_ping(&mut self, from: NodeId, addr: SocketAddr, seq: u32, to: NodeId) {
        if to == self.id {
            self.send(addr, Some(from), &Body::Ack { seq });
        }
    }

    /// Somebody asks for help. Only members are asked, at the address that is known here: a stranger can't have others
    /// send packets to an address of its choice.
    pub(super) fn on_ping_req(&mut self, now: Instant, from: NodeId, addr: SocketAddr, seq: u32, target: NodeId) {
        if target == self.id {
            return self.send(addr, Some(from), &Body::Ack { seq });
        }
        let known = self.table.get(target).is_some_and(|member| member.state != State::Left);
        if !known || self.relays.len() >= self.options.max_relays {
            return self.send(addr, Some(from), &Body::Nack { seq });
        }
        let mine = self.next_seq();
        self.relays.push(Relay {
            target,
            seq: mine,
            asker: addr,
            asker_seq: seq,
            // Early enough to be back before the asker's period ends.
            nack_at: Some(
                now + self.options.probe_timeout.mul_f64(0.8).min(self.options.period - self.options.probe_timeout),
            ),
            ends: now + self.options.period,
        });
        self.ping(target, mine);
    }

    pub(super) fn on_ack(&mut self, from: NodeId, seq: u32) {
        if let Some(probe) = &mut self.probe
            && probe.seq == seq
            && (probe.target == from || probe.helpers.contains(&from))
        {
            if !probe.answered {
                self.health.better();
            }
            probe.answered = true;
        }
        if let Some(at) = self.relays.iter().position(|relay| relay.seq == seq && relay.target == from) {
            let relay = self.relays.swap_remove(at);
            self.send(relay.asker, None, &Body::Ack { seq: relay.asker_seq });
        }
    }

    pub(super) fn on_nack(&mut self, from: NodeId, seq: u32) {
        if let Some(probe) = &mut self.probe
            && probe.seq == seq
            && probe.helpers.contains(&from)
            && !probe.nacks.contains(&from)
        {
            probe.nacks.push(from);
        }
    }

    /// The earliest instant at which something of this is due.
    pub(super) fn probes_due(&self) -> Instant {
        let help = self.probe.as_ref().filter(|probe| !probe.answered).and_then(|probe| probe.help_at);
        let relays = self.relays.iter().map(|relay| relay.nack_at.unwrap_or(relay.ends));
        relays.chain(help).chain([self.period_ends]).min().unwrap_or(self.period_ends)
    }

    pub(super) fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }
}
