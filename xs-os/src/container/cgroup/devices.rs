//! Rules for devices where there is no controller of version 1 for them: a program that the kernel asks at every opening.
//!
//! The program is given what is to be done (make, read, write), the kind of device and its numbers. It goes through the rules from the
//! last to the first, and the first that fits answers. What no rule fits is allowed, as in a new group of version 1.

use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::resources::DeviceRule;
use crate::container::error::{Doing, Result};
use crate::container::fork;

/// An instruction as the kernel reads it: what, on which registers, how far to jump, with which number.
pub(in crate::container) type Instruction = [u8; 8];

/// Registers: what is answered, where the question is and what is scratch afterwards, and the question's parts.
const ANSWER: u8 = 0;
const SCRATCH: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The instructions that are needed, by the kernel's numbers.
const LOAD_WORD: u8 = 0x61;
const SET: u8 = 0xb7;
const COPY: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_UNLESS_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

fn step(code: u8, to: u8, from: u8, offset: i16, number: u32) -> Instruction {
    let [o0, o1] = offset.to_ne_bytes();
    let [n0, n1, n2, n3] = number.to_ne_bytes();
    // Two registers share a byte, the one that is changed in its lower half.
    let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
    [code, registers, o0, o1, n0, n1, n2, n3]
}

/// The rules as a program.
pub(in crate::container) fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        step(LOAD_WORD, KIND, SCRATCH, 0, 0),
        step(COPY, ACCESS, KIND, 0, 0),
        step(AND, KIND, 0, 0, 0xffff),
        step(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        step(LOAD_WORD, MAJOR, SCRATCH, 4, 0),
        step(LOAD_WORD, MINOR, SCRATCH, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let checks = checks(rule);
        let last = checks.is_empty();
        // How much of this rule follows: the answer and the end, and the checks that are not yet through.
        let mut rest = checks.iter().fold(2_i16, |all, (before, ..)| all + if before.is_empty() { 1 } else { 3 });
        for (before, code, register, number) in checks {
            rest -= if before.is_empty() { 1 } else { 3 };
            program.extend(before);
            program.push(step(code, register, 0, rest, number));
        }
        program.extend([step(SET, ANSWER, 0, 0, u32::from(rule.allow)), step(EXIT, 0, 0, 0, 0)]);
        // A rule without a condition answers everything: the kernel takes no program with a part that is never reached.
        if last {
            return program;
        }
    }
    program.extend([step(SET, ANSWER, 0, 0, 1), step(EXIT, 0, 0, 0, 0)]);
    program
}

/// A check: what comes before it, and the jump to the next rule that is made when it fails.
type Check = (Vec<Instruction>, u8, u8, u32);

fn checks(rule: &DeviceRule) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    match rule.kind {
        'b' => checks.push((vec![], JUMP_UNLESS_EQUAL, KIND, 1)),
        'c' => checks.push((vec![], JUMP_UNLESS_EQUAL, KIND, 2)),
        _ => {}
    }
    checks.extend(rule.major.map(|major| (vec![], JUMP_UNLESS_EQUAL, MAJOR, major)));
    checks.extend(rule.minor.map(|minor| (vec![], JUMP_UNLESS_EQUAL, MINOR, minor)));
    let bit = |letter: char, bit: u32| if rule.access.contains(letter) { bit } else { 0 };
    let access = bit('m', 1) | bit('r', 2) | bit('w', 4);
    if access != 7 {
        // What allows must allow all that is asked for; what denies needs to deny but a part of it.
        let (mask, code) = if rule.allow { (7 ^ access, JUMP_UNLESS_EQUAL) } else { (access, JUMP_IF_EQUAL) };
        checks.push((vec![step(COPY, SCRATCH, ACCESS, 0, 0), step(AND, SCRATCH, 0, 0, mask)], code, SCRATCH, 0));
    }
    checks
}

/// Makes the kernel ask the rules about everything that is opened in a group.
pub(super) fn attach(group: &Path, rules: &[DeviceRule]) -> Result<()> {
    let doing = || format!("set the device rules of {}", group.display());
    let opened =
        rustix::fs::open(group, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing(doing)?;
    fork::ask_about_devices(opened.as_fd(), &program(rules)).doing(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program answers.
    fn answer(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let (mut registers, mut at) = ([0_u64; 16], 0_usize);
        loop {
            let [code, both, o0, o1, n0, n1, n2, n3] = program[at];
            let (to, from) = (usize::from(both & 15), usize::from(both >> 4));
            let (offset, number) = (i16::from_ne_bytes([o0, o1]), u64::from(u32::from_ne_bytes([n0, n1, n2, n3])));
            at += 1;
            match code {
                LOAD_WORD => registers[to] = context[offset as usize / 4].into(),
                SET => registers[to] = number,
                COPY => registers[to] = registers[from],
                AND => registers[to] &= number,
                SHIFT_RIGHT => registers[to] >>= number,
                JUMP_IF_EQUAL if registers[to] == number => at += offset as usize,
                JUMP_UNLESS_EQUAL if registers[to] != number => at += offset as usize,
                JUMP_IF_EQUAL | JUMP_UNLESS_EQUAL => {}
                EXIT => return registers[0] == 1,
                code => panic!("{code:#x}"),
            }
        }
    }

    fn rule(allow: bool, kind: char, major: Option<u32>, minor: Option<u32>, access: &str) -> DeviceRule {
        DeviceRule { allow, kind, major, minor, access: access.into() }
    }

    proptest::proptest! {
        #[test]
        fn the_last_rule_that_fits_answers(
            rules in proptest::collection::vec((proptest::bool::ANY, 0_usize..3, proptest::option::of(0_u32..3), proptest::option::of(0_u32..3), 1_u32..8), 0..8),
            kind in 1_u32..3, access in 1_u32..8, major in 0_u32..3, minor in 0_u32..3,
        ) {
            let letters = |bits: u32| ["", "m", "r", "mr", "w", "mw", "rw", "rwm"][bits as usize];
            let expected = rules.iter().rev().find(|(allow, typ, a, b, bits)| {
                (*typ == 0 || *typ as u32 == kind) && a.is_none_or(|a| a == major) && b.is_none_or(|b| b == minor)
                    && if *allow { access & !bits == 0 } else { access & bits != 0 }
            }).is_none_or(|(allow, ..)| *allow);
            let rules: Vec<_> = rules.iter().map(|(allow, typ, a, b, bits)| rule(*allow, ['a', 'b', 'c'][*typ], *a, *b, letters(*bits))).collect();
            proptest::prop_assert_eq!(answer(&program(&rules), kind, access, major, minor), expected);
        }
    }

    #[test]
    fn nothing_follows_a_rule_that_answers_everything() {
        let rules = [
            rule(true, 'c', Some(1), Some(3), "rwm"),
            rule(false, 'a', None, None, "rwm"),
            rule(true, 'b', None, None, "m"),
        ];
        let program = program(&rules);
        assert!(answer(&program, 1, 1, 9, 9) && !answer(&program, 2, 2, 1, 3));
        assert_eq!(program.len(), 6 + 6 + 2);
    }

    #[test]
    #[ignore = "needs root and control groups of version 2"]
    fn the_kernel_takes_the_program_and_asks_it() {
        let mount = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .map(Path::new)
            .into_iter()
            .find(|path| path.join("cgroup.procs").exists())
            .unwrap();
        let group = mount.join(format!("xs-devices-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        let rules = [rule(false, 'a', None, None, "rwm"), rule(true, 'c', Some(1), Some(3), "rw")];
        let attached = attach(&group, &rules);
        let script = format!(
            "echo $$ > {}/cgroup.procs; echo > /dev/null && echo null; head -c 1 /dev/zero > /dev/null && echo zero",
            group.display()
        );
        let told = std::process::Command::new("/bin/sh").args(["-c", &script]).output();
        std::fs::remove_dir(&group).unwrap();
        attached.unwrap();
        assert_eq!(String::from_utf8(told.unwrap().stdout).unwrap(), "null\n");
    }
}
