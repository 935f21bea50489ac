//! From an expression to instructions.

use super::ast::{Arith, Expr, Proto, Question, Relation, Side};
use super::code::{Code, Label};
use super::{Error, Link};
use crate::capture::bpf::{self, ABS, B, H, IND, JEQ, JGE, JGT, JSET, LD, LDX, LEN, MEM, MSH, Program, RET, ST, W};

/// How much of a packet is wanted: all.
const ALL: u32 = 262_144;
/// The words of scratch memory that arithmetic may use.
const SCRATCH: u32 = 16;

/// IPv6's header of a fragment.
const FRAGMENT: u32 = 44;
/// What may have ports.
const WITH_PORTS: [Proto; 3] = [Proto::Tcp, Proto::Udp, Proto::Sctp];

pub(super) fn program(expr: Option<&Expr>, link: Link) -> Result<Program, Error> {
    let mut compiler = Compiler { code: Code::default(), link, tags: 0 };
    let (yes, no) = (compiler.code.label(), compiler.code.label());
    match expr {
        Some(expr) => compiler.expr(expr, yes, no)?,
        None => compiler.code.goto(yes),
    }
    compiler.code.here(yes);
    compiler.code.plain(RET, ALL);
    compiler.code.here(no);
    compiler.code.plain(RET, 0);
    compiler.code.assemble()
}

struct Compiler {
    code: Code,
    link: Link,
    /// VLAN tags that were asked for so far: what follows in the filter is about what stands behind them.
    tags: u32,
}

impl Compiler {
    /// Where the network's header begins.
    fn network(&self) -> u32 {
        match self.link {
            Link::Ethernet => 14 + 4 * self.tags,
            Link::Raw => 0,
        }
    }

    fn expr(&mut self, expr: &Expr, yes: Label, no: Label) -> Result<(), Error> {
        if self.code.is_too_long() {
            return Err(Error::TooLong);
        }
        match expr {
            Expr::And(left, right) => {
                let next = self.code.label();
                self.expr(left, next, no)?;
                self.code.here(next);
                self.expr(right, yes, no)
            }
            Expr::Or(left, right) => {
                let next = self.code.label();
                self.expr(left, yes, next)?;
                self.code.here(next);
                self.expr(right, yes, no)
            }
            Expr::Not(expr) => self.expr(expr, no, yes),
            Expr::Ask(question) => self.question(question, yes, no),
        }
    }

    fn load(&mut self, size: u16, at: u32) {
        self.code.plain(LD | size | ABS, at);
    }

    /// Each of several questions, until one holds.
    fn any(
        &mut self,
        count: usize,
        yes: Label,
        no: Label,
        mut ask: impl FnMut(&mut Self, usize, Label, Label) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for at in 0..count {
            let next = if at + 1 == count { no } else { self.code.label() };
            ask(self, at, yes, next)?;
            if next != no {
                self.code.here(next);
            }
        }
        Ok(())
    }

    /// Source, destination, either or both, each of which `ask` asks.
    fn sides(&mut self, side: Side, yes: Label, no: Label, ask: impl Fn(&mut Self, bool, Label, Label)) {
        match side {
            Side::Source => ask(self, true, yes, no),
            Side::Destination => ask(self, false, yes, no),
            Side::Either | Side::Both => {
                let next = self.code.label();
                if side == Side::Either {
                    ask(self, true, yes, next)
                } else {
                    ask(self, true, next, no)
                }
                self.code.here(next);
                ask(self, false, yes, no);
            }
        }
    }

    fn question(&mut self, question: &Question, yes: Label, no: Label) -> Result<(), Error> {
        match question {
            Question::Proto(Proto::Ether) => self.code.goto(yes),
            Question::Proto(proto) => match (proto.ether_type(), proto.number()) {
                (Some(ether_type), _) => self.ether_type(ether_type, yes, no),
                (None, Some(number)) => {
                    let of = match proto {
                        Proto::Icmp => Some(Proto::Ip),
                        Proto::Icmp6 => Some(Proto::Ip6),
                        _ => None,
                    };
                    self.ip_proto(of, number, yes, no);
                }
                (None, None) => self.code.goto(yes),
            },
            Question::EtherProto(number) => match self.link {
                Link::Ethernet => self.ether_type(*number, yes, no),
                Link::Raw => return Err(Error::NoLink("Ethernet protocol")),
            },
            Question::IpProto(of, number) => self.ip_proto(*of, *number, yes, no),
            Question::Net4(proto, side, address, mask) => {
                let protos = [Proto::Ip, Proto::Arp, Proto::Rarp];
                let protos = match proto {
                    Some(proto) => vec![*proto],
                    None => protos.to_vec(),
                };
                self.any(protos.len(), yes, no, |this, at, yes, no| {
                    let is = this.code.label();
                    this.ether_type(protos[at].ether_type().unwrap_or(0), is, no);
                    this.code.here(is);
                    let (source, destination) = if protos[at] == Proto::Ip { (12, 16) } else { (14, 24) };
                    let network = this.network();
                    this.sides(*side, yes, no, |this, is_source, yes, no| {
                        this.load(W, network + if is_source { source } else { destination });
                        this.masked(u32::from(*address), *mask, yes, no);
                    });
                    Ok(())
                })?;
            }
            Question::Net6(side, address, mask) => {
                let is = self.code.label();
                self.ether_type(0x86dd, is, no);
                self.code.here(is);
                let network = self.network();
                let words = |value: u128| [96, 64, 32, 0].map(|shift| (value >> shift) as u32);
                let (address, mask) = (words((*address).into()), words(*mask));
                self.sides(*side, yes, no, |this, is_source, yes, no| {
                    let first = network + if is_source { 8 } else { 24 };
                    let asked: Vec<usize> = (0..4).filter(|at| mask[*at] != 0).collect();
                    for at in &asked {
                        let next = this.code.label();
                        this.load(W, first + 4 * *at as u32);
                        this.masked(address[*at], mask[*at], next, no);
                        this.code.here(next);
                    }
                    this.code.goto(yes);
                });
            }
            Question::Mac(side, mac) => self.mac(*side, *mac, yes, no)?,
            Question::Broadcast => self.mac(Side::Destination, [0xff; 6], yes, no)?,
            Question::Multicast => match self.link {
                Link::Ethernet => {
                    self.load(B, 0);
                    self.code.jump(JSET, 1, yes, no);
                }
                Link::Raw => return Err(Error::NoLink("multicast addresses")),
            },
            Question::IpMulticast | Question::Ip6Multicast => {
                let is = self.code.label();
                let v4 = *question == Question::IpMulticast;
                self.ether_type(if v4 { 0x0800 } else { 0x86dd }, is, no);
                self.code.here(is);
                self.load(B, self.network() + if v4 { 16 } else { 24 });
                if v4 { self.code.jump(JGE, 224, yes, no) } else { self.code.jump(JEQ, 255, yes, no) }
            }
            Question::Vlan(id) => {
                if self.link == Link::Raw {
                    return Err(Error::NoLink("VLAN tags"));
                }
                let (tag, is) = (self.network(), self.code.label());
                self.any(3, is, no, |this, at, yes, no| {
                    this.ether_type([0x8100, 0x88a8, 0x9100][at], yes, no);
                    Ok(())
                })?;
                self.code.here(is);
                match id {
                    Some(id) => {
                        self.load(H, tag);
                        self.masked((*id).into(), 0x0fff, yes, no);
                    }
                    None => self.code.goto(yes),
                }
                self.tags += 1;
            }
            Question::Port(proto, side, from, to) => self.ports(*proto, *side, (*from, *to), yes, no),
            Question::Compare(relation, left, right) => self.compare(*relation, left, right, yes, no)?,
        }
        Ok(())
    }

    /// Whether the accumulator is a value under a mask.
    fn masked(&mut self, value: u32, mask: u32, yes: Label, no: Label) {
        if mask != u32::MAX {
            self.code.plain(bpf::ALU | bpf::AND, mask);
        }
        self.code.jump(JEQ, value, yes, no);
    }

    fn ether_type(&mut self, number: u16, yes: Label, no: Label) {
        match self.link {
            Link::Ethernet => {
                self.load(H, self.network() - 2);
                self.code.jump(JEQ, number.into(), yes, no);
            }
            Link::Raw => {
                let version = match number {
                    0x0800 => 0x40,
                    0x86dd => 0x60,
                    _ => return self.code.goto(no),
                };
                self.load(B, 0);
                self.masked(version, 0xf0, yes, no);
            }
        }
    }

    fn ip_proto(&mut self, of: Option<Proto>, number: u8, yes: Label, no: Label) {
        let (number, network) = (u32::from(number), self.network());
        let (v4, v6, not_v4) = (self.code.label(), self.code.label(), self.code.label());
        if of != Some(Proto::Ip6) {
            self.ether_type(0x0800, v4, not_v4);
            self.code.here(v4);
            self.load(B, network + 9);
            self.code.jump(JEQ, number, yes, no);
        }
        self.code.here(not_v4);
        if of == Some(Proto::Ip) {
            return self.code.goto(no);
        }
        self.ether_type(0x86dd, v6, no);
        self.code.here(v6);
        // In the packet itself, or behind the header of a fragment.
        let (other, fragment) = (self.code.label(), self.code.label());
        self.load(B, network + 6);
        self.code.jump(JEQ, number, yes, other);
        self.code.here(other);
        self.code.jump(JEQ, FRAGMENT, fragment, no);
        self.code.here(fragment);
        self.load(B, network + 40);
        self.code.jump(JEQ, number, yes, no);
    }

    fn mac(&mut self, side: Side, mac: [u8; 6], yes: Label, no: Label) -> Result<(), Error> {
        if self.link == Link::Raw {
            return Err(Error::NoLink("hardware addresses"));
        }
        let [a, b, low @ ..] = mac;
        self.sides(side, yes, no, |this, is_source, yes, no| {
            let (at, high) = (if is_source { 6 } else { 0 }, this.code.label());
            this.load(W, at + 2);
            this.code.jump(JEQ, u32::from_be_bytes(low), high, no);
            this.code.here(high);
            this.load(H, at);
            this.code.jump(JEQ, u16::from_be_bytes([a, b]).into(), yes, no);
        });
        Ok(())
    }

    /// Ports, where they are: in IPv4 behind options and not in a later fragment, in IPv6 behind a header without
    /// extensions.
    fn ports(&mut self, proto: Option<Proto>, side: Side, (from, to): (u16, u16), yes: Label, no: Label) {
        let network = self.network();
        let numbers: Vec<u32> = WITH_PORTS
            .iter()
            .filter(|each| proto.is_none_or(|proto| proto == **each))
            .filter_map(|each| each.number())
            .map(u32::from)
            .collect();
        let (v4, not_v4, v6) = (self.code.label(), self.code.label(), self.code.label());
        let (whole, ports4, ports6) = (self.code.label(), self.code.label(), self.code.label());
        let range = |this: &mut Self, yes: Label, no: Label| {
            if from == to {
                return this.code.jump(JEQ, from.into(), yes, no);
            }
            let above = this.code.label();
            this.code.jump(JGE, from.into(), above, no);
            this.code.here(above);
            this.code.jump(JGT, to.into(), no, yes);
        };
        self.ether_type(0x0800, v4, not_v4);
        self.code.here(v4);
        self.load(B, network + 9);
        self.one_of(&numbers, whole, no);
        self.code.here(whole);
        self.load(H, network + 6);
        self.code.jump(JSET, 0x1fff, no, ports4);
        self.code.here(ports4);
        self.code.plain(LDX | B | MSH, network);
        self.sides(side, yes, no, |this, is_source, yes, no| {
            this.code.plain(LD | H | IND, network + if is_source { 0 } else { 2 });
            range(this, yes, no);
        });
        self.code.here(not_v4);
        self.ether_type(0x86dd, v6, no);
        self.code.here(v6);
        self.load(B, network + 6);
        self.one_of(&numbers, ports6, no);
        self.code.here(ports6);
        self.sides(side, yes, no, |this, is_source, yes, no| {
            this.load(H, network + if is_source { 40 } else { 42 });
            range(this, yes, no);
        });
    }

    fn one_of(&mut self, numbers: &[u32], yes: Label, no: Label) {
        for (at, number) in numbers.iter().enumerate() {
            let next = if at + 1 == numbers.len() { no } else { self.code.label() };
            self.code.jump(JEQ, *number, yes, next);
            if next != no {
                self.code.here(next);
            }
        }
    }

    fn compare(&mut self, relation: Relation, left: &Arith, right: &Arith, yes: Label, no: Label) -> Result<(), Error> {
        // A packet without the headers that are spoken of is none that the filter wants.
        for proto in protos(left).into_iter().chain(protos(right)) {
            let next = self.code.label();
            self.has_header(proto, next, no)?;
            self.code.here(next);
        }
        let (operation, yes, no) = match relation {
            Relation::Equal => (JEQ, yes, no),
            Relation::NotEqual => (JEQ, no, yes),
            Relation::Greater => (JGT, yes, no),
            Relation::LessEqual => (JGT, no, yes),
            Relation::GreaterEqual => (JGE, yes, no),
            Relation::Less => (JGE, no, yes),
        };
        if let Arith::Number(number) = right {
            self.arith(left, 0)?;
            self.code.jump(operation, *number, yes, no);
        } else {
            self.arith(right, 0)?;
            self.code.plain(ST, 0);
            self.arith(left, 1)?;
            self.code.plain(LDX | MEM, 0);
            self.code.jump(operation | bpf::X, 0, yes, no);
        }
        Ok(())
    }

    /// Whether a packet has a header from which bytes are asked for: of what IPv4 carries, not in later fragments.
    fn has_header(&mut self, proto: Proto, yes: Label, no: Label) -> Result<(), Error> {
        match (proto.ether_type(), proto.number()) {
            (Some(ether_type), _) => self.ether_type(ether_type, yes, no),
            (None, Some(number)) if proto == Proto::Icmp6 => self.ip_proto(Some(Proto::Ip6), number, yes, no),
            (None, Some(number)) => {
                let is = self.code.label();
                self.ip_proto(Some(Proto::Ip), number, is, no);
                self.code.here(is);
                self.load(H, self.network() + 6);
                self.code.jump(JSET, 0x1fff, no, yes);
            }
            (None, None) if self.link == Link::Raw => return Err(Error::NoLink("Ethernet header")),
            (None, None) => self.code.goto(yes),
        }
        Ok(())
    }

    /// Leaves a value in the accumulator. Words of memory from `free` on may be used.
    fn arith(&mut self, arith: &Arith, free: u32) -> Result<(), Error> {
        if free + 1 >= SCRATCH || self.code.is_too_long() {
            return Err(Error::TooLong);
        }
        match arith {
            Arith::Number(number) => self.code.plain(LD | bpf::IMM, *number),
            Arith::Len => self.code.plain(LD | W | LEN, 0),
            Arith::Negated(of) => {
                self.arith(of, free)?;
                self.code.plain(bpf::ALU | bpf::NEG, 0);
            }
            Arith::Binary(operation, left, right) => match &**right {
                Arith::Number(number) => {
                    self.arith(left, free)?;
                    self.code.plain(bpf::ALU | operation, *number);
                }
                right => {
                    self.arith(right, free)?;
                    self.code.plain(ST, free);
                    self.arith(left, free + 1)?;
                    self.code.plain(LDX | MEM, free);
                    self.code.plain(bpf::ALU | operation | bpf::X, 0);
                }
            },
            Arith::Bytes(proto, offset, size) => {
                let size = match size {
                    4 => W,
                    2 => H,
                    _ => B,
                };
                // Where the header begins: fixed, or behind IPv4's, whose length stands in it.
                let (base, behind_v4) = match proto {
                    Proto::Ether => (0, false),
                    Proto::Ip | Proto::Ip6 | Proto::Arp | Proto::Rarp => (self.network(), false),
                    Proto::Icmp6 => (self.network() + 40, false),
                    Proto::Tcp | Proto::Udp | Proto::Sctp | Proto::Icmp => (self.network(), true),
                };
                match (&**offset, behind_v4) {
                    (Arith::Number(offset), false) => self.load(size, base.saturating_add(*offset)),
                    (Arith::Number(offset), true) => {
                        self.code.plain(LDX | B | MSH, base);
                        self.code.plain(LD | size | IND, base.saturating_add(*offset));
                    }
                    (offset, behind_v4) => {
                        self.arith(offset, free)?;
                        if behind_v4 {
                            self.code.plain(LDX | B | MSH, base);
                            self.code.plain(bpf::ALU | bpf::ADD | bpf::X, 0);
                        }
                        self.code.plain(bpf::MISC | bpf::TAX, 0);
                        self.code.plain(LD | size | IND, base);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whose bytes a value is made of, each once.
fn protos(arith: &Arith) -> Vec<Proto> {
    let mut protos = match arith {
        Arith::Number(_) | Arith::Len => Vec::new(),
        Arith::Negated(of) => protos(of),
        Arith::Binary(_, left, right) => [protos(left), protos(right)].concat(),
        Arith::Bytes(proto, offset, _) => [vec![*proto], protos(offset)].concat(),
    };
    protos.dedup();
    protos
}
