//! From words to an expression.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Error;
use super::ast::{Arith, Expr, Proto, Question, Relation, Side};
use super::lex::{Token, tokens};
use crate::capture::bpf;

/// The deepest that parentheses may stand in one another.
const DEEPEST: usize = 100;

pub(super) fn filter(text: &str) -> Result<Option<Expr>, Error> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0, before: Qualifiers::default() };
    if parser.tokens.is_empty() {
        return Ok(None);
    }
    let expr = parser.expr()?;
    match parser.peek() {
        None => Ok(Some(expr)),
        Some(_) => Err(parser.wrong("the filter should end here, or go on with \"and\" or \"or\"")),
    }
}

/// What stands in front of an address, a port or a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Qualifiers {
    proto: Option<Proto>,
    side: Option<Side>,
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    /// Those of the last question, which hold for what has none.
    before: Qualifiers,
}

/// Services by name, as far as they are in daily use: of one protocol, or of all that have ports.
const SERVICES: [(&str, u16, Option<Proto>); 18] = [
    ("ftp", 21, Some(Proto::Tcp)),
    ("ssh", 22, Some(Proto::Tcp)),
    ("telnet", 23, Some(Proto::Tcp)),
    ("smtp", 25, Some(Proto::Tcp)),
    ("domain", 53, None),
    ("bootps", 67, Some(Proto::Udp)),
    ("bootpc", 68, Some(Proto::Udp)),
    ("tftp", 69, Some(Proto::Udp)),
    ("http", 80, Some(Proto::Tcp)),
    ("pop3", 110, Some(Proto::Tcp)),
    ("ntp", 123, Some(Proto::Udp)),
    ("imap2", 143, Some(Proto::Tcp)),
    ("snmp", 161, None),
    ("https", 443, None),
    ("imaps", 993, Some(Proto::Tcp)),
    ("mysql", 3306, Some(Proto::Tcp)),
    ("postgresql", 5432, Some(Proto::Tcp)),
    ("redis", 6379, Some(Proto::Tcp)),
];

/// Numbers with names, for arithmetic.
const NUMBERS: [(&str, u32); 26] = [
    ("icmptype", 0),
    ("icmp6type", 0),
    ("icmpcode", 1),
    ("icmp6code", 1),
    ("tcpflags", 13),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("tcp-fin", 1),
    ("tcp-syn", 2),
    ("tcp-rst", 4),
    ("tcp-push", 8),
    ("tcp-ack", 16),
    ("tcp-urg", 32),
    ("tcp-ece", 64),
    ("tcp-cwr", 128),
];

/// Binary operators by how close they bind, and their codes.
const OPERATORS: [&[(&str, u16)]; 5] = [
    &[("|", bpf::OR), ("^", bpf::XOR)],
    &[("&", bpf::AND)],
    &[("<<", bpf::LSH), (">>", bpf::RSH)],
    &[("+", bpf::ADD), ("-", bpf::SUB)],
    &[("*", bpf::MUL), ("/", bpf::DIV), ("%", bpf::MOD)],
];

const RELATIONS: [(&str, Relation); 7] = [
    ("=", Relation::Equal),
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    (">", Relation::Greater),
    (">=", Relation::GreaterEqual),
    ("<", Relation::Less),
    ("<=", Relation::LessEqual),
];

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(here)) if *here == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.at += usize::from(is);
        is
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.word() == Some(word);
        self.at += usize::from(is);
        is
    }

    fn wrong(&self, what: impl Into<String>) -> Error {
        let at = self.tokens.get(self.at).map_or(self.text.len(), |(at, _)| *at);
        Error::Syntax { at, what: what.into() }
    }

    /// That the word here is none of what there could be.
    fn no(&self, what: &str) -> Error {
        match self.peek() {
            Some(Token::Word(word)) => self.wrong(format!("{word:?} is no {what}")),
            Some(Token::Sign(sign)) => self.wrong(format!("{sign:?} is no {what}")),
            None => {
                let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                self.wrong(format!("{article} {what} is missing"))
            }
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("parentheses stand more than 100 deep"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// `and` and `or`, which bind equally, to the left.
    fn expr(&mut self) -> Result<Expr, Error> {
        let mut left = self.term()?;
        loop {
            let (and, or) =
                (self.take_word("and") || self.take_sign("&&"), self.take_word("or") || self.take_sign("||"));
            if !and && !or {
                return Ok(left);
            }
            let right = Box::new(self.term()?);
            left = if and { Expr::And(Box::new(left), right) } else { Expr::Or(Box::new(left), right) };
        }
    }

    fn term(&mut self) -> Result<Expr, Error> {
        if self.take_word("not") || self.take_sign("!") {
            return Ok(Expr::Not(Box::new(self.deeper(Self::term)?)));
        }
        let start = self.at;
        if self.take_sign("(") {
            // An expression, or arithmetic that begins with a parenthesis.
            let (depth, before) = (self.depth, self.before);
            let inside = self.deeper(|parser| {
                let expr = parser.expr()?;
                if parser.take_sign(")") { Ok(expr) } else { Err(parser.wrong("a \")\" is missing")) }
            });
            if inside.is_ok() && !self.at_operator() {
                return inside;
            }
            let (end, failure) = (self.at, inside);
            (self.at, self.depth, self.before) = (start, depth, before);
            return self.comparison().map_err(|other| {
                // The error that got further says more.
                match failure {
                    Err(error) if end >= self.at => error,
                    _ => other,
                }
            });
        }
        if self.begins_arithmetic() { self.comparison() } else { self.question() }
    }

    fn at_operator(&self) -> bool {
        let Some(Token::Sign(sign)) = self.peek() else { return false };
        let operator = OPERATORS.iter().any(|level| level.iter().any(|(each, _)| each == sign));
        operator || RELATIONS.iter().any(|(each, _)| each == sign)
    }

    /// A number or `len` or a header with a bracket, where a question would have a word of its own.
    fn begins_arithmetic(&self) -> bool {
        let next = self.tokens.get(self.at + 1).map(|(_, token)| token);
        match self.peek() {
            Some(Token::Sign(sign)) => *sign == "-",
            Some(Token::Word(word)) => {
                let bracket = next == Some(&Token::Sign("["));
                let operator = matches!(next, Some(Token::Sign(sign)) if !matches!(*sign, "(" | ")" | "[" | "]" | "!" | "&&" | "||"));
                // `10.0.0.0/8` is a network, though a slash stands behind the number.
                bracket || word == "len" || operator && number(word).is_some() && word.bytes().all(|byte| byte != b'.')
            }
            None => false,
        }
    }

    fn comparison(&mut self) -> Result<Expr, Error> {
        let left = self.arith(0)?;
        let relation = RELATIONS.into_iter().find(|(sign, _)| self.is_sign(sign));
        let Some((_, relation)) = relation else { return Err(self.no("comparison")) };
        self.at += 1;
        let right = self.arith(0)?;
        Ok(Expr::Ask(Question::Compare(relation, left, right)))
    }

    fn arith(&mut self, level: usize) -> Result<Arith, Error> {
        let Some(operators) = OPERATORS.get(level) else { return self.operand() };
        let mut left = self.arith(level + 1)?;
        while let Some((_, code)) = operators.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.at += 1;
            let right = self.arith(level + 1)?;
            if matches!((*code, &right), (bpf::DIV | bpf::MOD, Arith::Number(0))) {
                return Err(self.wrong("a division by zero"));
            }
            left = Arith::Binary(*code, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Arith, Error> {
        if self.take_sign("(") {
            let inside = self.deeper(|parser| parser.arith(0))?;
            return if self.take_sign(")") { Ok(inside) } else { Err(self.wrong("a \")\" is missing")) };
        }
        if self.take_sign("-") {
            return Ok(Arith::Negated(Box::new(self.deeper(Self::operand)?)));
        }
        let Some(word) = self.word() else { return Err(self.no("number")) };
        if word == "len" || word == "length" {
            self.at += 1;
            return Ok(Arith::Len);
        }
        let named = NUMBERS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
        if let Some(number) = named.or_else(|| number(word)) {
            self.at += 1;
            return Ok(Arith::Number(number));
        }
        let Some(proto) = proto(word) else { return Err(self.no("number")) };
        self.at += 1;
        if !self.take_sign("[") {
            return Err(self.no("place of a byte, in brackets"));
        }
        let offset = self.deeper(|parser| parser.arith(0))?;
        let size = if self.take_sign(":") {
            let size = self.word().and_then(number).filter(|size| matches!(size, 1 | 2 | 4));
            let Some(size) = size else { return Err(self.no("size: 1, 2 or 4")) };
            self.at += 1;
            size as u8
        } else {
            1
        };
        if self.take_sign("]") {
            Ok(Arith::Bytes(proto, Box::new(offset), size))
        } else {
            Err(self.wrong("a \"]\" is missing"))
        }
    }

    fn question(&mut self) -> Result<Expr, Error> {
        let mut own = Qualifiers::default();
        if let Some(proto) = self.word().and_then(proto) {
            self.at += 1;
            own.proto = Some(proto);
        }
        own.side = self.side()?;
        own.kind = self.kind();
        if own.side.is_none()
            && own.kind.is_none()
            && let Some(question) = self.lone(own.proto)?
        {
            self.before = Qualifiers::default();
            return Ok(Expr::Ask(question));
        }
        // What has no qualifier at all takes those of the question in front of it.
        let qualifiers = if own == Qualifiers::default() { self.before } else { own };
        self.before = qualifiers;
        let Qualifiers { proto, side, kind } = qualifiers;
        let side_given = side;
        let side = side.unwrap_or(Side::Either);
        let question = match kind.unwrap_or(Kind::Host) {
            Kind::Host => self.host(proto, side)?,
            Kind::Net => self.net(proto, side)?,
            Kind::Port | Kind::PortRange => {
                if !matches!(proto, None | Some(Proto::Tcp | Proto::Udp | Proto::Sctp)) {
                    return Err(self.wrong("only TCP, UDP and SCTP have ports"));
                }
                let (of, from, to) = self.ports(proto, kind == Some(Kind::PortRange))?;
                Question::Port(of, side, from, to)
            }
            Kind::Proto if side_given.is_some() => {
                return Err(self.wrong("a protocol has no source and no destination"));
            }
            Kind::Proto => self.protocol(proto)?,
        };
        Ok(Expr::Ask(question))
    }

    /// `src`, `dst`, and both together.
    fn side(&mut self) -> Result<Option<Side>, Error> {
        let (first, other) = match self.word() {
            Some("src") => (Side::Source, "dst"),
            Some("dst") => (Side::Destination, "src"),
            _ => return Ok(None),
        };
        self.at += 1;
        let joined = self.at;
        let (or, and) = (self.take_word("or"), self.take_word("and"));
        if (or || and) && self.take_word(other) {
            return Ok(Some(if or { Side::Either } else { Side::Both }));
        }
        self.at = joined;
        Ok(Some(first))
    }

    fn kind(&mut self) -> Option<Kind> {
        let kind = match self.word()? {
            "host" => Kind::Host,
            "net" => Kind::Net,
            "port" => Kind::Port,
            "portrange" => Kind::PortRange,
            "proto" => Kind::Proto,
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    /// A question that needs nothing behind it, or a word of its own.
    fn lone(&mut self, proto: Option<Proto>) -> Result<Option<Question>, Error> {
        let question = match (proto, self.word()) {
            (None | Some(Proto::Ether), Some("broadcast")) => Question::Broadcast,
            (None | Some(Proto::Ether), Some("multicast")) => Question::Multicast,
            (Some(Proto::Ip), Some("multicast")) => Question::IpMulticast,
            (Some(Proto::Ip6), Some("multicast")) => Question::Ip6Multicast,
            (None, Some(word @ ("less" | "greater"))) => {
                let relation = if word == "less" { Relation::LessEqual } else { Relation::GreaterEqual };
                self.at += 1;
                let Some(number) = self.word().and_then(number) else { return Err(self.no("length")) };
                Question::Compare(relation, Arith::Len, Arith::Number(number))
            }
            (None, Some("vlan")) => {
                self.at += 1;
                let id = self.word().and_then(number).map(u16::try_from);
                match id {
                    Some(Ok(id @ ..0x1000)) => Question::Vlan(Some(id)),
                    Some(_) => return Err(self.wrong("a VLAN's id is at most 4095")),
                    None => return Ok(Some(Question::Vlan(None))),
                }
            }
            (Some(proto), word) if proto != Proto::Ether && !word.is_some_and(is_address) => {
                return Ok(Some(Question::Proto(proto)));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(question))
    }

    fn host(&mut self, proto: Option<Proto>, side: Side) -> Result<Question, Error> {
        let Some(word) = self.word() else { return Err(self.no("address")) };
        let question = match proto {
            Some(Proto::Ether) => {
                let Some(mac) = mac(word) else { return Err(self.no("hardware address")) };
                Question::Mac(side, mac)
            }
            None | Some(Proto::Ip | Proto::Arp | Proto::Rarp | Proto::Ip6) => {
                if let Some(address) = word.parse::<Ipv4Addr>().ok().filter(|_| proto != Some(Proto::Ip6)) {
                    // A host with a slash is a network, as people write it.
                    if self.tokens.get(self.at + 1).is_some_and(|(_, token)| *token == Token::Sign("/")) {
                        return self.net(proto, side);
                    }
                    Question::Net4(proto, side, address, u32::MAX)
                } else if let Some(address) =
                    word.parse::<Ipv6Addr>().ok().filter(|_| matches!(proto, None | Some(Proto::Ip6)))
                {
                    Question::Net6(side, address, u128::MAX)
                } else {
                    return Err(self.no("address"));
                }
            }
            Some(_) => return Err(self.wrong("only Ethernet, IP, ARP and RARP have addresses")),
        };
        self.at += 1;
        Ok(question)
    }

    fn net(&mut self, proto: Option<Proto>, side: Side) -> Result<Question, Error> {
        let Some(word) = self.word() else { return Err(self.no("network")) };
        if !matches!(proto, None | Some(Proto::Ip | Proto::Arp | Proto::Rarp | Proto::Ip6)) {
            return Err(self.wrong("only IP, ARP and RARP have networks"));
        }
        if let Some(address) = word.parse::<Ipv6Addr>().ok().filter(|_| matches!(proto, None | Some(Proto::Ip6))) {
            self.at += 1;
            let bits = if self.take_sign("/") { self.bits(128)? } else { 128 };
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            if u128::from(address) & !mask != 0 {
                return Err(self.wrong("the address has bits outside of its network"));
            }
            return Ok(Question::Net6(side, address, mask));
        }
        // `10` and `192.168` are networks of 8 and 16 bits.
        let parts = word
            .split('.')
            .map(|part| part.parse::<u8>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit())));
        let parts: Option<Vec<u8>> = parts.collect();
        let Some(parts) = parts.filter(|parts| parts.len() <= 4 && proto != Some(Proto::Ip6)) else {
            return Err(self.no("network"));
        };
        self.at += 1;
        let mut octets = [0; 4];
        octets.iter_mut().zip(&parts).for_each(|(octet, part)| *octet = *part);
        let mask = if self.take_sign("/") {
            u32::MAX.checked_shl(32 - self.bits(32)?).unwrap_or(0)
        } else if self.take_word("mask") {
            let Some(mask) = self.word().and_then(|word| word.parse::<Ipv4Addr>().ok()) else {
                return Err(self.no("mask"));
            };
            self.at += 1;
            mask.into()
        } else {
            u32::MAX.checked_shl(32 - 8 * parts.len() as u32).unwrap_or(0)
        };
        let address = Ipv4Addr::from(octets);
        if u32::from(address) & !mask != 0 {
            return Err(self.wrong("the address has bits outside of its network"));
        }
        Ok(Question::Net4(proto, side, address, mask))
    }

    fn bits(&mut self, most: u32) -> Result<u32, Error> {
        let bits = self.word().and_then(number).filter(|bits| *bits <= most);
        let Some(bits) = bits else { return Err(self.no("length of a network")) };
        self.at += 1;
        Ok(bits)
    }

    /// A port or a range, and of which protocol: a service's name says that, too.
    fn ports(&mut self, proto: Option<Proto>, range: bool) -> Result<(Option<Proto>, u16, u16), Error> {
        let port = |word: &str| match SERVICES.iter().find(|(name, ..)| *name == word) {
            Some((_, port, of)) => Some((*of, *port)),
            None => number(word).and_then(|number| u16::try_from(number).ok()).map(|port| (None, port)),
        };
        let Some(word) = self.word() else { return Err(self.no("port")) };
        let ports = match word.split_once('-').filter(|_| range) {
            Some((from, to)) => port(from).zip(port(to)),
            None => port(word).map(|port| (port, port)),
        };
        let Some(((of, from), (_, to))) = ports else {
            return Err(self.no(if range { "range of ports" } else { "port" }));
        };
        if proto.is_some() && of.is_some() && proto != of {
            return Err(self.no("service of that protocol"));
        }
        self.at += 1;
        Ok((proto.or(of), from.min(to), from.max(to)))
    }

    fn protocol(&mut self, of: Option<Proto>) -> Result<Question, Error> {
        let Some(word) = self.word() else { return Err(self.no("protocol")) };
        let word = word.strip_prefix('\\').unwrap_or(word);
        let (named, given) = (proto(word), number(word));
        let question = match of {
            Some(Proto::Ether) => {
                let number =
                    named.and_then(Proto::ether_type).or_else(|| given.and_then(|number| u16::try_from(number).ok()));
                number.map(Question::EtherProto)
            }
            None | Some(Proto::Ip | Proto::Ip6) => {
                let number =
                    named.and_then(Proto::number).or_else(|| given.and_then(|number| u8::try_from(number).ok()));
                number.map(|number| Question::IpProto(of, number))
            }
            Some(_) => None,
        };
        let Some(question) = question else { return Err(self.no("protocol")) };
        self.at += 1;
        Ok(question)
    }
}

fn proto(word: &str) -> Option<Proto> {
    Some(match word {
        "ether" => Proto::Ether,
        "ip" => Proto::Ip,
        "ip6" => Proto::Ip6,
        "arp" => Proto::Arp,
        "rarp" => Proto::Rarp,
        "tcp" => Proto::Tcp,
        "udp" => Proto::Udp,
        "sctp" => Proto::Sctp,
        "icmp" => Proto::Icmp,
        "icmp6" => Proto::Icmp6,
        _ => return None,
    })
}

/// A number of decimal, hexadecimal or octal digits, as C has them.
fn number(word: &str) -> Option<u32> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if word.len() > 1 && word.starts_with('0') => (word, 8),
        None => (word, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

fn is_address(word: &str) -> bool {
    word.parse::<Ipv4Addr>().is_ok() || word.parse::<Ipv6Addr>().is_ok()
}

fn mac(word: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = word.split([':', '-']);
    for byte in &mut mac {
        let part = parts.next().filter(|part| matches!(part.len(), 1 | 2))?;
        *byte = u8::from_str_radix(part, 16).ok().filter(|_| part.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    }
    parts.next().is_none().then_some(mac)
}
