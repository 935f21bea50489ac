//! The program itself, in a network of its own.

use std::process::{Command, Output};

/// This side, a router, and a host behind it.
const NETWORK: &str = "
    mount -t tmpfs none /run && mkdir /run/netns
    ip netns add router && ip netns add host
    ip link add name here type veth peer name near netns router
    ip -n router link add name far type veth peer name there netns host
    ip addr add 10.77.1.1/24 dev here && ip link set here up && ip route add default via 10.77.1.2
    ip -n router addr add 10.77.1.2/24 dev near && ip -n router link set near up
    ip -n router addr add 10.77.2.2/24 dev far && ip -n router link set far up
    ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit'
    ip netns exec host sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit'
    ip -n host addr add 10.77.2.3/24 dev there && ip -n host link set there up && ip -n host route add default via 10.77.2.2
    exec \"$@\"";

fn within(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_xs-traceroute");
    Command::new("unshare").args(["-n", "-m", "sh", "-ec", NETWORK, "sh", program]).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
#[ignore = "needs root and ip"]
fn every_method_finds_the_way() {
    for method in ["-U", "-I", "-T"] {
        let output = within(&[method, "10.77.2.3"]);
        let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3, "{method}: {output:?}");
        assert_eq!(lines[0], "traceroute to 10.77.2.3 (10.77.2.3), 30 hops max, 60 byte packets");
        assert!(lines[1].starts_with(" 1  10.77.1.2  ") && lines[1].matches(" ms").count() == 3, "{method}: {lines:?}");
        assert!(lines[2].starts_with(" 2  10.77.2.3  ") && lines[2].matches(" ms").count() == 3, "{method}: {lines:?}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
#[ignore = "needs root and ip"]
fn a_way_that_ends_early_says_why() {
    let output = within(&["-q", "1", "10.99.9.9"]);
    let lines = text(&output.stdout);
    assert!(lines.contains("\n 1  10.77.1.2  ") && lines.trim_end().ends_with(" ms !N"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
#[ignore = "needs root and ip"]
fn a_report_adds_passes_up() {
    let output = within(&["--cycles", "2", "-q", "2", "10.77.2.3"]);
    let lines: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines, ["HOST Loss% Snt Last", "1.|-- 10.77.1.2 0.0% 4", "2.|-- 10.77.2.3 0.0% 4"], "{output:?}");
}

#[test]
fn this_machine_is_one_hop_away() {
    let output = Command::new(env!("CARGO_BIN_EXE_xs-traceroute")).args(["-q", "1", "127.0.0.1"]).output().unwrap();
    assert!(text(&output.stdout).lines().nth(1).is_some_and(|line| line.starts_with(" 1  127.0.0.1  ")), "{output:?}");
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 2));
}

#[test]
fn what_is_wrong_is_said() {
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_xs-traceroute")).args(args).output().unwrap();
    let unknown = run(&["no.such.host.invalid"]);
    assert_eq!(
        (unknown.status.code(), text(&unknown.stderr)),
        (Some(2), "xs-traceroute: no.such.host.invalid: Name or service not known\n".to_owned())
    );
    assert_eq!(run(&["-I", "-T", "127.0.0.1"]).status.code(), Some(2));
    assert_eq!(run(&["-m", "0", "127.0.0.1"]).status.code(), Some(2));
}
