//! The program itself, against this machine and beside the system's ping.

use std::process::{Command, Output};

fn ping(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xs-ping")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Digits replaced by `#`, so that times compare.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            c => shape.push(c),
        }
    }
    shape
}

#[test]
#[ignore = "needs root and ping"]
fn it_says_what_ping_says() {
    for host in ["127.0.0.1", "::1"] {
        let args = ["-c", "2", "-i", "0.2", host];
        let (ours, theirs) = (ping(&args), Command::new("ping").args(args).output().unwrap());
        assert_eq!((ours.status.code(), theirs.status.code()), (Some(0), Some(0)), "{}", text(&ours.stderr));
        // IPv6's first line has another form there.
        let lines =
            |output: &Output| shape(&text(&output.stdout)).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&ours), lines(&theirs));
    }
}

#[test]
#[ignore = "needs root"]
fn it_sums_up_when_it_is_interrupted() {
    let child = Command::new(env!("CARGO_BIN_EXE_xs-ping"))
        .arg("127.0.0.1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains("1 packets transmitted, 1 received, 0% packet loss"),
        "{}",
        text(&output.stdout)
    );
}

/// A network of its own: this side, a router, and a host behind it.
const NETWORK: &str = "
    mount -t tmpfs none /run && mkdir /run/netns
    ip netns add router && ip netns add host
    ip link add name here type veth peer name near netns router
    ip -n router link add name far type veth peer name there netns host
    ip addr add 10.77.1.1/24 dev here && ip link set here up && ip route add default via 10.77.1.2
    ip -n router addr add 10.77.1.2/24 dev near && ip -n router link set near up
    ip -n router addr add 10.77.2.2/24 dev far && ip -n router link set far up
    ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
    ip -n host addr add 10.77.2.3/24 dev there && ip -n host link set there up && ip -n host route add default via 10.77.2.2
    exec \"$@\"";

fn within(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_xs-ping");
    Command::new("unshare").args(["-n", "-m", "sh", "-ec", NETWORK, "sh", program]).args(args).output().unwrap()
}

#[test]
#[ignore = "needs root and ip"]
fn a_router_says_why_there_is_no_reply() {
    let there = within(&["-c", "1", "10.77.2.3"]);
    assert!(text(&there.stdout).contains("64 bytes from 10.77.2.3: icmp_seq=1 ttl=63 time="), "{there:?}");
    let near = within(&["-c", "1", "-t", "1", "10.77.2.3"]);
    assert_eq!(near.status.code(), Some(1));
    assert!(text(&near.stdout).contains("\nFrom 10.77.1.2 icmp_seq=1 Time to live exceeded\n"), "{near:?}");
    assert!(text(&near.stdout).contains("1 packets transmitted, 0 received, +1 errors, 100% packet loss"), "{near:?}");
    let nowhere = within(&["-c", "1", "10.99.9.9"]);
    assert!(text(&nowhere.stdout).contains("From 10.77.1.2 icmp_seq=1 Destination Net Unreachable\n"), "{nowhere:?}");
}

#[test]
fn what_is_wrong_is_said() {
    let unknown = ping(&["no.such.host.invalid"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(text(&unknown.stderr), "xs-ping: no.such.host.invalid: Name or service not known\n");
    assert_eq!(ping(&["-c", "0", "127.0.0.1"]).status.code(), Some(2));
    assert_eq!(ping(&["-i", "x", "127.0.0.1"]).status.code(), Some(2));
    assert_eq!(ping(&["-4", "::1"]).status.code(), Some(2));
}
