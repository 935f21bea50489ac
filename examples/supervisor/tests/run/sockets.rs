//! Sockets that start services, and what services say of themselves.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;

use crate::home::{Home, until};

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_datagram_starts_its_service_and_is_read_by_it() {
    let files = [
        (
            "echo.service",
            "[Service]\nExecStart=/bin/sh -c 'echo \"$$LISTEN_FDS $$LISTEN_FDNAMES $$(test $$LISTEN_PID = $$$$ && echo mine)\"; exec cat <&3'\n",
        ),
        (
            "echo.socket",
            "[Socket]\nListenDatagram={}/echo\nFileDescriptorName=words\nRemoveOnStop=yes\n[Install]\nWantedBy=sockets.target\n",
        ),
    ];
    let mut home = Home::new(&files);
    until("it listens", || home.state("echo.socket") == "active");
    assert_eq!(home.state("echo.service"), "inactive");
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"hello\n", home.path("echo")).unwrap();
    until("it has answered", || home.log("echo.service").contains("echo: hello"));
    assert!(home.log("echo.service").contains("echo: 1 words mine\n"), "{}", home.log("echo.service"));
    // What is sent while it is down waits for it.
    let (code, _, err) = home.run(&["stop", "echo.service"]);
    assert!(code == 0 && err.contains("its triggering units are still active:\necho.socket"), "{err}");
    socket.send_to(b"again\n", home.path("echo")).unwrap();
    until("it has answered again", || home.log("echo.service").contains("echo: again"));
    home.ok(&["stop", "echo.socket", "echo.service"]);
    assert!(!home.path("echo").exists());
    home.end();
}

#[test]
#[ignore = "needs perl"]
fn a_connection_waits_for_a_service_that_is_not_there_yet() {
    let port = port();
    let serve = "#!/usr/bin/perl\nopen(S, '+<&=', 3); while (accept(C, S)) { syswrite(C, \"from $$\\n\"); close C; exit 0 if ++$n == 2; }\n";
    let socket = format!("[Socket]\nListenStream=127.0.0.1:{port}\n[Install]\nWantedBy=sockets.target\n");
    let files = [
        ("web.service", "[Service]\nExecStart=/usr/bin/perl {}/units/serve.pl\n"),
        ("web.socket", &socket),
        ("serve.pl", serve),
    ];
    let mut home = Home::new(&files);
    until("it listens", || home.state("web.socket") == "active");
    let ask = || {
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let answers: Vec<String> = (0..6).map(|_| ask()).collect();
    let mut different = answers.clone();
    different.dedup();
    assert!(different.len() == 3 && answers.iter().all(|answer| answer.starts_with("from ")), "{answers:?}");
    home.ok(&["restart", "web.service"]);
    assert!(ask().starts_with("from "));
    home.end();
}

#[test]
fn a_port_in_use_fails_the_socket_and_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = format!("[Socket]\nListenStream={}\n", taken.local_addr().unwrap());
    let home = Home::new(&[("a.service", "[Service]\nExecStart=/bin/true\n"), ("a.socket", &socket)]);
    let (code, _, err) = home.run(&["start", "a.socket"]);
    assert!(code == 1 && err.contains("Job for a.socket failed"), "{err}");
    assert!(home.log("supervisor").contains("Failed to listen on sockets: 127.0.0.1:"), "{}", home.log("supervisor"));
}

#[test]
#[ignore = "needs systemd-notify"]
fn systemd_notify_is_understood() {
    let files = [
        (
            "n.service",
            "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'sleep 0.2; systemd-notify --status=\"half way\"; echo > {}/half; while [ ! -e {}/go ]; do sleep 0.02; done; systemd-notify --ready --status=serving; exec sleep 1000'\n",
        ),
        (
            "w.service",
            "[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=300ms\nExecStart=/bin/sh -c 'systemd-notify --ready; for i in 1 2 3 4 5; do sleep 0.1; systemd-notify WATCHDOG=1; done; echo silent; exec sleep 1000'\n",
        ),
    ];
    let mut home = Home::new(&files);
    home.ok(&["start", "--no-block", "n"]);
    until("it is half way", || home.path("half").exists());
    until("its status is known", || home.run(&["status", "n"]).1.contains("Status: \"half way\""));
    assert_eq!(home.state("n"), "activating");
    std::fs::write(home.path("go"), "").unwrap();
    until("it is up", || home.state("n") == "active");
    assert!(home.ok(&["status", "n"]).contains("Status: \"serving\""));
    home.ok(&["start", "w"]);
    until("the watchdog has had enough", || home.state("w") == "failed");
    assert!(home.run(&["status", "w"]).1.contains("(Result: watchdog)"));
    assert!(
        home.log("w.service").contains("w: silent")
            && home.log("w.service").contains("Watchdog timeout (limit 300ms)!")
    );
    home.end();
}

#[test]
fn others_are_not_believed() {
    let text = "[Service]\nType=notify\nNotifyAccess=all\nTimeoutStartSec=30\nExecStart=/bin/sh -c 'echo $$NOTIFY_SOCKET > {}/where; exec sleep 1000'\n";
    let mut home = Home::new(&[("n.service", text)]);
    home.ok(&["start", "--no-block", "n"]);
    until("it has begun", || home.read("where").ends_with('\n'));
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"READY=1", home.read("where").trim()).unwrap();
    until("it is refused", || home.log("n.service").contains("reception is not permitted"));
    assert_eq!(home.state("n"), "activating");
    home.end();
}

#[test]
fn a_service_is_ready_when_its_port_is() {
    let port = port();
    let text =
        format!("[Service]\nExecStart=/bin/sleep 1000\n[X-Supervisor]\nReadyPort={port}\nReadyIntervalSec=20ms\n");
    let mut home = Home::new(&[("a.service", &text)]);
    home.ok(&["start", "--no-block", "a"]);
    until("it has begun", || home.main_pid("a").is_some());
    assert_eq!(home.state("a"), "activating");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    until("it is up", || home.state("a") == "active");
    home.end();
}
