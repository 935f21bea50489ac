//! What a filter asks.

use std::net::{Ipv4Addr, Ipv6Addr};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Ask(Question),
}

impl Expr {
    pub(super) fn asks_for_tags(&self) -> bool {
        match self {
            Expr::And(left, right) | Expr::Or(left, right) => left.asks_for_tags() || right.asks_for_tags(),
            Expr::Not(expr) => expr.asks_for_tags(),
            // Bytes of Ethernet's header may be a tag's.
            Expr::Ask(Question::Vlan(_) | Question::EtherProto(_)) => true,
            Expr::Ask(Question::Compare(_, left, right)) => left.asks_for_tags() || right.asks_for_tags(),
            Expr::Ask(_) => false,
        }
    }
}

impl Arith {
    fn asks_for_tags(&self) -> bool {
        match self {
            Arith::Number(_) => false,
            Arith::Len => true,
            Arith::Bytes(proto, offset, _) => *proto == Proto::Ether || offset.asks_for_tags(),
            Arith::Binary(_, left, right) => left.asks_for_tags() || right.asks_for_tags(),
            Arith::Negated(of) => of.asks_for_tags(),
        }
    }
}

/// Which of two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
    Either,
    Both,
}

/// Whose header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proto {
    Ether,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
}

impl Proto {
    /// IP's number of what it carries.
    pub(super) fn number(self) -> Option<u8> {
        match self {
            Proto::Icmp => Some(1),
            Proto::Tcp => Some(6),
            Proto::Udp => Some(17),
            Proto::Icmp6 => Some(58),
            Proto::Sctp => Some(132),
            Proto::Ether | Proto::Ip | Proto::Ip6 | Proto::Arp | Proto::Rarp => None,
        }
    }

    /// Ethernet's number of what it carries.
    pub(super) fn ether_type(self) -> Option<u16> {
        match self {
            Proto::Ip => Some(0x0800),
            Proto::Arp => Some(0x0806),
            Proto::Rarp => Some(0x8035),
            Proto::Ip6 => Some(0x86dd),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    Proto(Proto),
    /// A network of IPv4 in IP, ARP or RARP, or in one of them: address and mask.
    Net4(Option<Proto>, Side, Ipv4Addr, u32),
    /// A network of IPv6: address and mask.
    Net6(Side, Ipv6Addr, u128),
    Mac(Side, [u8; 6]),
    /// Ports of TCP, UDP and SCTP, or of one of them: from, to.
    Port(Option<Proto>, Side, u16, u16),
    EtherProto(u16),
    /// Of IPv4, of IPv6, or of both.
    IpProto(Option<Proto>, u8),
    Vlan(Option<u16>),
    Broadcast,
    Multicast,
    IpMulticast,
    Ip6Multicast,
    Compare(Relation, Arith, Arith),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arith {
    Number(u32),
    Len,
    /// Bytes of a header: where, and how many (1, 2 or 4).
    Bytes(Proto, Box<Arith>, u8),
    /// BPF's code of the operation.
    Binary(u16, Box<Arith>, Box<Arith>),
    Negated(Box<Arith>),
}
