//! Classic BPF: the instructions of a filter, and what they do.
//!
//! # The problem
//!
//! Code of a stranger is to run in the kernel, for each packet. It must end, soon, and read nothing but the packet.
//!
//! # How it works
//!
//! A machine with an accumulator A, an index X and sixteen words of memory. An instruction is eight bytes:
//!
//! ```text
//!   code (16) │ jump if true (8) │ if false (8) │ k (32)
//!   ld  A from the packet, memory, a number, the length    ldx  X, and 4·(a byte & 15), which is an IPv4 header's length
//!   alu A with k or X      jmp compare A with k or X       st   A or X to memory      ret  how many bytes are wanted      misc  A to X, X to A
//! ```
//!
//! Jumps are counts of instructions to skip, so that there is no way back and no loop. [`Program::new`] checks what the
//! kernel checks when a filter is attached; [`Program::run`] is the interpreter.
//!
//! # Invariants
//!
//! - A program that was made ends within as many steps as it has instructions.
//! - A load outside of the packet and a division by zero end it with 0: not wanted.
//!
//! # Cost
//!
//! Eight bytes an instruction; interpreting takes one `match` each.
//!
//! # Example
//!
//! ```
//! use xs_os::capture::bpf::{Instruction, Program};
//!
//! // "Longer than 60 bytes": ld #pktlen; jgt #60; ret #65535; ret #0
//! let code = [(0x80, 0, 0, 0), (0x25, 0, 1, 60), (0x06, 0, 0, 65535), (0x06, 0, 0, 0)];
//! let code = code.map(|(code, jump_true, jump_false, k)| Instruction { code, jump_true, jump_false, k });
//! let program = Program::new(code.to_vec())?;
//! assert_eq!((program.run(&[], 60), program.run(&[], 61)), (0, 65535));
//! # Ok::<(), xs_os::capture::bpf::Invalid>(())
//! ```
//!
//! # How others do it
//!
//! eBPF has ten registers of 64 bits, calls and bounded loops, and a verifier that follows every path; seccomp runs
//! classic BPF over system calls.
//!
//! # What this leaves out
//!
//! Linux' ancillary loads (negative offsets: the interface, the mark, a VLAN tag that a card has taken off).
//!
//! # Try next
//!
//! Translate a program to Rust source, one `if` an instruction, and let the compiler show what an optimiser would leave.
//!
//! # Sources
//!
//! S. McCanne and V. Jacobson (1993), section 3; `linux/bpf_common.h`; Linux, `net/core/filter.c` (`bpf_check_classic`).

use std::fmt;

use thiserror::Error;

/// An instruction, as `struct sock_filter` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions are skipped if a comparison holds.
    pub jump_true: u8,
    /// And if it doesn't.
    pub jump_false: u8,
    /// A number.
    pub k: u32,
}

/// The most instructions that the kernel takes.
pub const LONGEST: usize = 4096;
/// Words of scratch memory.
const SCRATCH: usize = 16;

// Classes, and what is added to them (linux/bpf_common.h).
pub(super) const LD: u16 = 0x00;
pub(super) const LDX: u16 = 0x01;
pub(super) const ST: u16 = 0x02;
pub(super) const STX: u16 = 0x03;
pub(super) const ALU: u16 = 0x04;
pub(super) const JMP: u16 = 0x05;
pub(super) const RET: u16 = 0x06;
pub(super) const MISC: u16 = 0x07;

pub(super) const W: u16 = 0x00;
pub(super) const H: u16 = 0x08;
pub(super) const B: u16 = 0x10;

pub(super) const IMM: u16 = 0x00;
pub(super) const ABS: u16 = 0x20;
pub(super) const IND: u16 = 0x40;
pub(super) const MEM: u16 = 0x60;
pub(super) const LEN: u16 = 0x80;
pub(super) const MSH: u16 = 0xa0;

pub(super) const ADD: u16 = 0x00;
pub(super) const SUB: u16 = 0x10;
pub(super) const MUL: u16 = 0x20;
pub(super) const DIV: u16 = 0x30;
pub(super) const OR: u16 = 0x40;
pub(super) const AND: u16 = 0x50;
pub(super) const LSH: u16 = 0x60;
pub(super) const RSH: u16 = 0x70;
pub(super) const NEG: u16 = 0x80;
pub(super) const MOD: u16 = 0x90;
pub(super) const XOR: u16 = 0xa0;

pub(super) const JA: u16 = 0x00;
pub(super) const JEQ: u16 = 0x10;
pub(super) const JGT: u16 = 0x20;
pub(super) const JGE: u16 = 0x30;
pub(super) const JSET: u16 = 0x40;

pub(super) const K: u16 = 0x00;
pub(super) const X: u16 = 0x08;
/// In a return: the accumulator.
const A: u16 = 0x10;
pub(super) const TAX: u16 = 0x00;
const TXA: u16 = 0x80;

/// Why instructions are no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Invalid {
    /// No instruction, or more than 4,096.
    #[error("a program has 1 to 4,096 instructions")]
    Length,
    /// An instruction that there is none of.
    #[error("instruction {0}: unknown code")]
    Code(usize),
    /// A jump beyond the end.
    #[error("instruction {0}: the jump leaves the program")]
    Jump(usize),
    /// A word of scratch memory that isn't there.
    #[error("instruction {0}: there are 16 words of memory")]
    Memory(usize),
    /// A division by a constant zero.
    #[error("instruction {0}: division by zero")]
    Division(usize),
    /// The last instruction does not return.
    #[error("the last instruction does not return")]
    End,
}

/// A program that the kernel would take: it only jumps forwards and ends with a return, so that it ends.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Checks instructions as the kernel does.
    ///
    /// # Errors
    ///
    /// What the kernel would call `EINVAL`.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self, Invalid> {
        let len = instructions.len();
        if len == 0 || len > LONGEST {
            return Err(Invalid::Length);
        }
        for (at, instruction) in instructions.iter().enumerate() {
            let Instruction { code, jump_true, jump_false, k } = *instruction;
            if !is_known(code) {
                return Err(Invalid::Code(at));
            }
            let memory = matches!(code & 0x07, ST | STX) || matches!(code, LD_MEM | LDX_MEM);
            if memory && k as usize >= SCRATCH {
                return Err(Invalid::Memory(at));
            }
            if matches!(code & 0xf7, ALU_DIV | ALU_MOD) && code & X == 0 && k == 0 {
                return Err(Invalid::Division(at));
            }
            let farthest = match code {
                JUMP_ALWAYS => k as usize,
                code if code & 0x07 == JMP => usize::from(jump_true.max(jump_false)),
                _ => 0,
            };
            if code & 0x07 == JMP && farthest.saturating_add(at + 1) >= len {
                return Err(Invalid::Jump(at));
            }
        }
        match instructions.last() {
            Some(last) if last.code & 0x07 == RET => Ok(Program(instructions)),
            _ => Err(Invalid::End),
        }
    }

    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }

    /// Runs it on a packet of which `packet` was captured and which was `len` bytes long: how many bytes of it are
    /// wanted, 0 for none of it.
    pub fn run(&self, packet: &[u8], len: u32) -> u32 {
        let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; SCRATCH]);
        let mut at = 0;
        while let Some(Instruction { code, jump_true, jump_false, k }) = self.0.get(at).copied() {
            at += 1;
            let operand = if code & X == 0 { k } else { x };
            match code & 0x07 {
                LD => {
                    let loaded = match code & 0xe0 {
                        IMM => Some(k),
                        MEM => memory.get(k as usize).copied(),
                        LEN => Some(len),
                        ABS => load(packet, k, code),
                        _ => x.checked_add(k).and_then(|offset| load(packet, offset, code)),
                    };
                    // What lies outside the packet ends it.
                    let Some(loaded) = loaded else { return 0 };
                    a = loaded;
                }
                LDX => {
                    let loaded = match code & 0xe0 {
                        IMM => Some(k),
                        MEM => memory.get(k as usize).copied(),
                        LEN => Some(len),
                        _ => load(packet, k, B).map(|byte| (byte & 0x0f) << 2),
                    };
                    let Some(loaded) = loaded else { return 0 };
                    x = loaded;
                }
                ST | STX => {
                    if let Some(word) = memory.get_mut(k as usize) {
                        *word = if code & 0x07 == ST { a } else { x };
                    }
                }
                ALU => {
                    let Some(result) = arithmetic(code & 0xf0, a, operand) else { return 0 };
                    a = result;
                }
                JMP => {
                    let holds = match code & 0xf0 {
                        JA => {
                            at += k as usize;
                            continue;
                        }
                        JEQ => a == operand,
                        JGT => a > operand,
                        JGE => a >= operand,
                        _ => a & operand != 0,
                    };
                    at += usize::from(if holds { jump_true } else { jump_false });
                }
                RET => return if code & 0x18 == A { a } else { k },
                _ if code & 0xf8 == TXA => a = x,
                _ => x = a,
            }
        }
        0
    }
}

const LD_MEM: u16 = LD | MEM;
const LDX_MEM: u16 = LDX | W | MEM;
const ALU_DIV: u16 = ALU | DIV;
const ALU_MOD: u16 = ALU | MOD;
const JUMP_ALWAYS: u16 = JMP | JA;

fn is_known(code: u16) -> bool {
    let (size, mode, source) = (code & 0x18, code & 0xe0, code & X);
    if code > 0xff {
        return false;
    }
    match code & 0x07 {
        LD => match mode {
            ABS | IND => size != 0x18,
            IMM | MEM | LEN => size == W,
            _ => false,
        },
        LDX => matches!((mode, size), (IMM | MEM | LEN, W) | (MSH, B)),
        ST | STX => code & 0xf8 == 0,
        ALU => match code & 0xf0 {
            NEG => source == 0,
            operation => operation <= XOR,
        },
        JMP => match code & 0xf0 {
            JA => source == 0,
            operation => operation <= JSET,
        },
        RET => matches!(code & 0xf8, K | A),
        _ => matches!(code & 0xf8, TAX | TXA),
    }
}

fn load(packet: &[u8], offset: u32, code: u16) -> Option<u32> {
    let bytes = packet.get(offset as usize..)?;
    Some(match code & 0x18 {
        W => u32::from_be_bytes(*bytes.first_chunk()?),
        H => u16::from_be_bytes(*bytes.first_chunk()?).into(),
        _ => (*bytes.first()?).into(),
    })
}

fn arithmetic(operation: u16, a: u32, by: u32) -> Option<u32> {
    Some(match operation {
        ADD => a.wrapping_add(by),
        SUB => a.wrapping_sub(by),
        MUL => a.wrapping_mul(by),
        DIV => a.checked_div(by)?,
        MOD => a.checked_rem(by)?,
        OR => a | by,
        AND => a & by,
        XOR => a ^ by,
        LSH => a.checked_shl(by).unwrap_or(0),
        RSH => a.checked_shr(by).unwrap_or(0),
        _ => a.wrapping_neg(),
    })
}

impl fmt::Display for Program {
    /// As tcpdump's `-d` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Instruction { code, jump_true, jump_false, k }) in self.0.iter().enumerate() {
            let suffix = match code & 0x18 {
                H => "h",
                B => "b",
                _ => "",
            };
            let name = |names: [&'static str; 11]| names.get(usize::from((code & 0xf0) >> 4)).copied().unwrap_or("?");
            let operand = if code & X == 0 { format!("#{k:#x}") } else { "x".to_owned() };
            let text = match code & 0x07 {
                LD => match code & 0xe0 {
                    IMM => format!("{:<8} #{k:#x}", "ld"),
                    ABS => format!("{:<8} [{k}]", format!("ld{suffix}")),
                    IND => format!("{:<8} [x + {k}]", format!("ld{suffix}")),
                    MEM => format!("{:<8} M[{k}]", "ld"),
                    _ => format!("{:<8} #pktlen", "ld"),
                },
                LDX => match code & 0xe0 {
                    IMM => format!("{:<8} #{k:#x}", "ldx"),
                    MEM => format!("{:<8} M[{k}]", "ldx"),
                    LEN => format!("{:<8} #pktlen", "ldx"),
                    _ => format!("{:<8} 4*([{k}]&0xf)", "ldxb"),
                },
                ST => format!("{:<8} M[{k}]", "st"),
                STX => format!("{:<8} M[{k}]", "stx"),
                ALU if code & 0xf0 == NEG => "neg".to_owned(),
                ALU => {
                    let name = name(["add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "neg", "mod", "xor"]);
                    format!("{name:<8} {operand}")
                }
                JMP if code & 0xf0 == JA => format!("{:<8} {}", "ja", at + 1 + *k as usize),
                JMP => {
                    let name = name(["ja", "jeq", "jgt", "jge", "jset", "?", "?", "?", "?", "?", "?"]);
                    let target = |by: &u8| at + 1 + usize::from(*by);
                    format!("{name:<8} {operand:<16} jt {}\tjf {}", target(jump_true), target(jump_false))
                }
                RET if code & 0x18 == A => "ret      a".to_owned(),
                RET => format!("{:<8} #{k}", "ret"),
                _ if code & 0xf8 == TXA => "txa".to_owned(),
                _ => "tax".to_owned(),
            };
            writeln!(f, "({at:03}) {text}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program(\n{self})")
    }
}
