//! Which system calls a process may make: a profile's rules as one program for the kernel.
//!
//! A profile has an action for what no rule names, and rules with actions of their own, several to one call. seccompiler compiles
//! one action beside a default; so there is a program for each action that isn't to allow, and at the end one that
//! allows what the profile allows and does the default with the rest. Where a program but the last would let a call pass, it
//! goes on to the next instead:
//!
//! ```text
//!   ┌ ERRNO(38): clone3 ┐ else ┌ KILL: reboot ┐ else ┌ ALLOW: read, write, … ┐ else ERRNO(1)
//! ```

use std::collections::{BTreeMap, HashMap};

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::error::{Error, Result};

/// The most instructions that the kernel takes.
pub const MOST_INSTRUCTIONS: usize = 4096;

/// Returns, and jumps without a condition, in the kernel's numbers.
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const ALLOW: u32 = 0x7fff_0000;

/// A compiled profile.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The program.
    pub program: BpfProgram,
    /// The kernel's flags for loading it.
    pub flags: u32,
}

fn refuse<T>(path: impl Into<String>, reason: impl Into<String>) -> Result<T> {
    Err(Error::config(path, reason))
}

/// The profile's program; none if it has nothing to say.
pub fn compile_filter(profile: &LinuxSeccomp) -> Result<Option<Filter>> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| Error::Unsupported(format!("linux.seccomp on {}", std::env::consts::ARCH)))?;
    if let Some(named) = profile.architectures().as_deref().filter(|named| !named.is_empty())
        && !named.iter().any(|named| *named == Arch::ScmpArchNative || Some(*named) == native_arch())
    {
        return refuse("linux.seccomp.architectures", "this machine's is not among them");
    }
    if profile.listener_path().as_deref().is_some_and(|path| !path.as_os_str().is_empty()) {
        return Err(Error::Unsupported("linux.seccomp.listenerPath".into()));
    }
    let mut flags = 0;
    for flag in profile.flags().iter().flatten() {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
            flag => return Err(Error::Unsupported(format!("linux.seccomp.flags: {flag}"))),
        };
    }
    let default = action("linux.seccomp.defaultAction", profile.default_action(), profile.default_errno_ret())?;
    let mut by_action: Vec<(SeccompAction, Rules)> = Vec::new();
    // The name of a call that this kernel's headers don't have is no mistake: profiles are written for many machines.
    let numbers: HashMap<&str, i64> = syscalls::Sysno::iter().map(|call| (call.name(), i64::from(call.id()))).collect();
    for (at, rule) in profile.syscalls().iter().flatten().enumerate() {
        let path = format!("linux.seccomp.syscalls[{at}]");
        let action = action(&path, rule.action(), rule.errno_ret())?;
        if action == default {
            continue;
        }
        let conditions = conditions(&path, rule.args().as_deref().unwrap_or_default())?;
        let place = by_action.iter().position(|(known, _)| *known == action).unwrap_or_else(|| {
            by_action.push((action, Rules::default()));
            by_action.len() - 1
        });
        let Some((_, rules)) = by_action.get_mut(place) else { continue };
        for number in rule.names().iter().filter_map(|name| numbers.get(name.as_str())) {
            rules.add(*number, &conditions);
        }
    }
    let (allowed, others): (Vec<_>, Vec<_>) =
        by_action.into_iter().partition(|(action, _)| *action == SeccompAction::Allow);
    let mut program = BpfProgram::new();
    for (action, rules) in others {
        let one = rules.program(SeccompAction::Allow, action, arch)?;
        let len = one.len();
        program.extend(one.into_iter().enumerate().map(|(at, step)| match step {
            sock_filter { code: RETURN, k: ALLOW, .. } => {
                let rest = u32::try_from(len - 1 - at).unwrap_or(u32::MAX);
                sock_filter { code: JUMP, jt: 0, jf: 0, k: rest }
            }
            step => step,
        }));
    }
    if default == SeccompAction::Allow {
        if program.is_empty() {
            return Ok(None);
        }
        program.push(sock_filter { code: RETURN, jt: 0, jf: 0, k: ALLOW });
    } else {
        let rules = allowed.into_iter().next().map(|(_, rules)| rules).unwrap_or_default();
        program.extend(rules.program(default, SeccompAction::Allow, arch)?);
    }
    if program.len() > MOST_INSTRUCTIONS {
        return refuse(
            "linux.seccomp",
            format!("needs {} instructions, and the kernel takes {MOST_INSTRUCTIONS}", program.len()),
        );
    }
    Ok(Some(Filter { program, flags }))
}

/// This machine's name in profiles.
pub fn native_arch() -> Option<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Arch::ScmpArchX86_64),
        "aarch64" => Some(Arch::ScmpArchAarch64),
        "riscv64" => Some(Arch::ScmpArchRiscv64),
        _ => None,
    }
}

fn action(path: &str, action: LinuxSeccompAction, number: Option<u32>) -> Result<SeccompAction> {
    // The answer's number has 16 bits; as others do, EPERM where none is said.
    let data = || match number.unwrap_or(1) {
        number if number > 0xffff => refuse(path, "errnoRet is out of range"),
        number => Ok(number),
    };
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => SeccompAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => SeccompAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => SeccompAction::Trap,
        LinuxSeccompAction::ScmpActErrno => SeccompAction::Errno(data()?),
        LinuxSeccompAction::ScmpActTrace => SeccompAction::Trace(data()?),
        LinuxSeccompAction::ScmpActLog => SeccompAction::Log,
        LinuxSeccompAction::ScmpActAllow => SeccompAction::Allow,
        LinuxSeccompAction::ScmpActNotify => return Err(Error::Unsupported(format!("{path}: SCMP_ACT_NOTIFY"))),
    })
}

/// What must hold of a call's arguments: one of these lists, wholly. None is: always.
fn conditions(path: &str, args: &[LinuxSeccompArg]) -> Result<Vec<SeccompRule>> {
    let condition = |arg: &LinuxSeccompArg| {
        let (op, value) = match arg.op() {
            LinuxSeccompOperator::ScmpCmpNe => (SeccompCmpOp::Ne, arg.value()),
            LinuxSeccompOperator::ScmpCmpLt => (SeccompCmpOp::Lt, arg.value()),
            LinuxSeccompOperator::ScmpCmpLe => (SeccompCmpOp::Le, arg.value()),
            LinuxSeccompOperator::ScmpCmpEq => (SeccompCmpOp::Eq, arg.value()),
            LinuxSeccompOperator::ScmpCmpGe => (SeccompCmpOp::Ge, arg.value()),
            LinuxSeccompOperator::ScmpCmpGt => (SeccompCmpOp::Gt, arg.value()),
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                (SeccompCmpOp::MaskedEq(arg.value()), arg.value_two().unwrap_or(0))
            }
        };
        let index = u8::try_from(arg.index()).unwrap_or(u8::MAX);
        SeccompCondition::new(index, SeccompCmpArgLen::Qword, op, value)
            .map_err(|error| Error::config(path, error.to_string()))
    };
    let rule = |conditions| SeccompRule::new(conditions).map_err(|error| Error::config(path, error.to_string()));
    // As runc has it: conditions on the same argument are alternatives, others hold together.
    let twice = args.iter().enumerate().any(|(at, arg)| args.iter().take(at).any(|other| other.index() == arg.index()));
    match args {
        [] => Ok(Vec::new()),
        _ if twice => args.iter().map(|arg| rule(vec![condition(arg)?])).collect(),
        _ => Ok(vec![rule(args.iter().map(condition).collect::<Result<_>>()?)?]),
    }
}

/// The calls of one action, with what must hold of their arguments; an empty list is: always.
#[derive(Default)]
struct Rules(BTreeMap<i64, Vec<SeccompRule>>);

impl Rules {
    fn add(&mut self, number: i64, conditions: &[SeccompRule]) {
        match self.0.entry(number) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(conditions.to_vec());
            }
            // Always stays always.
            std::collections::btree_map::Entry::Occupied(mut entry)
                if conditions.is_empty() || entry.get().is_empty() =>
            {
                entry.get_mut().clear();
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().extend_from_slice(conditions),
        }
    }

    fn program(self, otherwise: SeccompAction, action: SeccompAction, arch: TargetArch) -> Result<BpfProgram> {
        SeccompFilter::new(self.0, otherwise, action, arch)
            .and_then(BpfProgram::try_from)
            .map_err(|error| Error::config("linux.seccomp", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> Result<Option<Filter>> {
        compile_filter(&serde_json::from_str(json).unwrap())
    }

    /// What the program answers, by an interpreter of the few instructions that there are.
    fn answer(filter: &Filter, call: i64, args: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend((call as i32).to_le_bytes());
        data.extend(match std::env::consts::ARCH {
            "x86_64" => 0xc000_003e_u32.to_le_bytes(),
            _ => 0xc000_00b7_u32.to_le_bytes(),
        });
        data.extend([0; 8]);
        args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
        let (mut at, mut a) = (0_usize, 0_u32);
        loop {
            let step = &filter.program[at];
            let k = step.k;
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                0x20 => a = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
                0x54 => a &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(a == k),
                0x25 => at += jump(a > k),
                0x35 => at += jump(a >= k),
                0x06 => return k,
                code => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn each_call_gets_its_own_action() {
        let filter = filter(
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
                {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
                {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
                {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
                {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
                {"names": ["setns"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
                {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": [
                    {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]},
                {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 9, "op": "SCMP_CMP_NE"}]},
                {"names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS"}]}"#,
        )
        .unwrap()
        .unwrap();
        let of = |name: &str, first: u64, third: u64| {
            let number = name.parse::<syscalls::Sysno>().unwrap().id();
            answer(&filter, number.into(), [first, 0, third, 0, 0, 0])
        };
        let errno = |number: u32| 0x0005_0000 | number;
        assert_eq!(of("read", 0, 0), ALLOW);
        assert_eq!(of("mount", 0, 0), errno(38));
        assert_eq!(of("setns", 0, 0), errno(1));
        assert_eq!(of("personality", 8, 0), ALLOW);
        assert_eq!(of("personality", 0, 0), ALLOW);
        assert_eq!(of("personality", 9, 0), errno(38));
        assert_eq!(of("clone", 17, 0), ALLOW);
        assert_eq!(of("clone", 0x1000_0000, 0), errno(38));
        assert_eq!(of("socket", 16, 9), errno(22));
        assert_eq!(of("socket", 2, 0), ALLOW);
        assert_eq!(of("socket", 2, 9), errno(38));
        assert_eq!(of("reboot", 0, 0), 0x8000_0000);
    }

    #[test]
    fn a_profile_that_allows_all_is_no_filter() {
        assert!(filter(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        for json in [
            r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#,
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 70000}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390"]}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 9, "value": 0, "op": "SCMP_CMP_EQ"}]}]}"#,
        ] {
            assert!(filter(json).is_err(), "{json}");
        }
    }
}
