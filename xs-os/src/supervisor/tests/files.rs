//! Units as files: what is read, what is said about it.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::supervisor::{
    ExitStatus, Files, Host, KillMode, Limit, Listen, ListenAddress, Load, Loaded, Output, Readiness, Relation,
    Restart, Signal, Type,
};

fn load(files: &[(&str, &str)]) -> Loaded {
    let mut all = Files::new();
    files.iter().for_each(|(name, text)| all.add(name.as_ref(), text));
    all.load(&Host::new())
}

#[test]
fn a_whole_service() {
    let text = r#"
[Unit]
Description=The %p of %n
Requires=db.service
After=network.target \
      db.service
StartLimitBurst=3

[Service]
Type=notify
Environment=A=1 "B=two words" 'C=%i'
ExecStartPre=-/bin/test -e /x ; /bin/true
ExecStart=@/usr/bin/web web0 --port=${PORT} "a ; b" $MORE \;
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1min 30s
TimeoutStopSec=infinity
KillMode=mixed
KillSignal=SIGINT
SuccessExitStatus=143 TEMPFAIL SIGUSR1
LimitNOFILE=1024:4096
LimitCORE=infinity
MemoryMax=512M
CPUQuota=150%
StandardOutput=append:/var/log/%N.log
WorkingDirectory=-/srv
UMask=0077
User=nobody
[X-Supervisor]
ReadyPort=8080
LogMaxSize=1M
[Install]
WantedBy=multi-user.target
"#;
    let loaded = load(&[("web.service", text)]);
    assert_eq!(loaded.notices, []);
    let unit = &loaded.units["web.service"];
    assert_eq!((unit.description.as_str(), unit.start_limit_burst), ("The web of web.service", 3));
    assert_eq!(unit.related(Relation::After), ["network.target", "db.service", "basic.target"]);
    assert_eq!(loaded.units["multi-user.target"].related(Relation::Wants), ["web.service"]);
    let service = unit.as_service().unwrap();
    assert_eq!((service.kind, service.restart, service.kill_mode), (Type::Notify, Restart::OnFailure, KillMode::Mixed));
    assert_eq!(service.exec_start_pre.len(), 2);
    assert!(service.exec_start_pre[0].ignore_failure && !service.exec_start_pre[1].ignore_failure);
    assert_eq!(service.exec_start[0].program, "/usr/bin/web");
    assert_eq!(service.exec_start[0].argv, ["web0", "--port=${PORT}", "a ; b", "$MORE", ";"]);
    let variables: Vec<String> = service.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(variables, ["A=1", "B=two words", "C="]);
    assert_eq!((service.restart_sec, service.timeout_stop), (Duration::from_secs(90), None));
    assert_eq!(service.kill_signal, Signal::INT);
    assert!(service.success.contains(ExitStatus::Exited(75)));
    let limit = |resource, soft, hard| Limit { resource, soft, hard };
    assert_eq!(service.limits, [limit("NOFILE", Some(1024), Some(4096)), limit("CORE", None, None)]);
    assert_eq!((service.maxima.memory, service.maxima.cpu_percent), (Some(512 << 20), Some(150)));
    assert_eq!(service.stdout, Output::Append("/var/log/web.log".into()));
    assert_eq!(service.working_directory, Some(("/srv".into(), true)));
    assert_eq!((service.umask, service.user.as_deref()), (0o077, Some("nobody")));
    assert_eq!((service.readiness.clone(), service.log_max_size), (Some(Readiness::Port(8080)), 1 << 20));
}

#[test]
fn toml_says_the_same() {
    let ini = "[Unit]\nDescription=Web\nAfter=db.service x.service\n[Service]\nType=exec\nExecStart=/bin/web -p 80\nExecStartPre=/bin/a\nExecStartPre=/bin/b c\nPIDFile=/run/w\n\
               Environment=\"A=1 2\" \"B=x\\\"y\"\nRestartSec=2\nLimitNOFILE=9\nUMask=0077\nSendSIGKILL=no\nTimeoutStopSec=1.5\n[X-Supervisor]\nLogKeep=2\n[Install]\nWantedBy=multi-user.target\n";
    let toml = r#"
        [unit]
        description = "Web"
        after = ["db.service", "x.service"]
        [service]
        type = "exec"
        exec_start = "/bin/web -p 80"
        exec_start_pre = ["/bin/a", "/bin/b c"]
        pid_file = "/run/w"
        environment = { A = "1 2", B = 'x"y' }
        restart_sec = 2
        limit_nofile = 9
        umask = "0077"
        send_sigkill = false
        timeout_stop_sec = 1.5
        [supervisor]
        log_keep = 2
        [install]
        wanted_by = "multi-user.target"
    "#;
    let (ini, toml) = (load(&[("web.service", ini)]), load(&[("web.toml", toml)]));
    assert_eq!((&ini.notices, &toml.notices), (&vec![], &vec![]));
    let (mut a, mut b) = (ini.units["web.service"].clone(), toml.units["web.service"].clone());
    (a.sources, b.sources) = (vec![], vec![]);
    assert_eq!(a, b);
}

#[test]
fn a_toml_file_may_have_a_socket_beside_its_service() {
    let text = "[unit]\ndescription = 'Echo'\n[service]\nexec_start = '/bin/echo'\n[socket]\nlisten_stream = ['127.0.0.1:70', '/run/echo']\n";
    let loaded = load(&[("echo.toml", text)]);
    assert_eq!(loaded.notices, []);
    let socket = loaded.units["echo.socket"].as_socket().unwrap();
    assert_eq!(socket.listen[1], Listen::Stream(ListenAddress::Unix("/run/echo".into())));
    assert_eq!(loaded.units["echo.service"].related(Relation::After), ["basic.target", "echo.socket"]);
    assert_eq!(loaded.units["sockets.target"].related(Relation::Wants), ["echo.socket"]);
    let wrong = load(&[
        ("a.toml", "[service]\nexec_start = '/bin/a'\nexec_stat = 1\n"),
        ("b.toml", "[service\n"),
        ("c.toml", "[srv]\n"),
    ]);
    let said: Vec<String> = wrong.notices.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|line| line == "a.toml:3: Unknown key 'ExecStat' in section [Service], ignoring."),
        "{said:?}"
    );
    assert!(
        said.iter().any(|line| line.starts_with("b.toml:1:")) && said.iter().any(|line| line.starts_with("c.toml:1:")),
        "{said:?}"
    );
}

#[test]
fn faults_are_told_with_their_lines() {
    let text = "[Unit]\nFoo=1\nAfter=no good.service\n[Service]\nExecStart=/bin/a\nPrivateTmp=yes\nRestart=maybe\nnonsense\nUser=%Q\n[Nope]\na=b\nX-Own=1\n";
    let loaded = load(&[("a.service", text)]);
    let said: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    for expected in [
        "a.service:2: Unknown key 'Foo' in section [Unit], ignoring.",
        "a.service:3: After=: After=no: 'no' has no suffix such as .service, ignoring.",
        "a.service:6: PrivateTmp= in section [Service] is not supported, ignoring.",
        "a.service:7: Restart=: 'maybe' is none of no, on-success, on-failure, on-abnormal, on-watchdog, on-abort, always.",
        "a.service:8: Missing '=', ignoring line.",
        "a.service:9: User=: there is no specifier '%Q'.",
        "a.service:11: a=: Unknown section 'Nope', ignoring.",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected}\n{said:#?}");
    }
    assert_eq!(said.len(), 7, "{said:#?}");
    assert!(loaded.units.contains_key("a.service"));
}

#[test]
fn what_a_service_cannot_do_without_keeps_it_from_being_one() {
    for (text, why) in [
        (
            "ExecStart=/bin/a\nDynamicUser=yes",
            "DynamicUser= in section [Service] is not supported, and a.service needs it.",
        ),
        ("ExecStart=/bin/a\nType=dbus", "Type= in section [Service] is not supported"),
        ("Type=oneshot", "Service has no ExecStart= or ExecStop=."),
        ("ExecStart=/bin/a\nExecStart=/bin/b", "more than one ExecStart="),
        ("ExecStart=/bin/a\nType=oneshot\nRestart=always", "isn't allowed for Type=oneshot"),
        ("ExecStart=bin/a", "Service has no ExecStart="),
    ] {
        let loaded = load(&[("a.service", &format!("[Service]\n{text}"))]);
        assert!(
            matches!(&loaded.broken["a.service"], Load::BadSetting(said) if said.contains(why)),
            "{:?}",
            loaded.broken
        );
    }
    assert!(load(&[("a.socket", "[Socket]\n")]).broken.contains_key("a.socket"));
    assert!(
        load(&[("a.service", "[Unit]\nConditionPathExists=/x\n[Service]\nExecStart=/bin/a")])
            .broken
            .contains_key("a.service")
    );
}

#[test]
fn an_empty_file_masks_its_unit() {
    let loaded = load(&[("a.service", ""), ("b.service", "[Unit]\nWants=a.service\n[Service]\nExecStart=/bin/b\n")]);
    assert_eq!((loaded.notices.len(), &loaded.broken["a.service"]), (0, &Load::Masked));
}

#[test]
fn an_empty_value_takes_back_and_drop_ins_come_last() {
    let mut files = Files::new();
    files.add(
        "a.service".as_ref(),
        "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nEnvironment=A=1\nRestart=always\n",
    );
    files.add_drop_in("a.service", "z.conf".as_ref(), "[Service]\nExecStart=\nExecStart=/bin/z\n");
    files.add_drop_in(
        "a.service",
        "m.conf".as_ref(),
        "[Service]\nExecStart=\nExecStart=/bin/m\nRestart=\n[Unit]\nAfter=m.service\n",
    );
    files.add_drop_in("service", "all.conf".as_ref(), "[Service]\nEnvironment=B=2\n");
    let loaded = files.load(&Host::new());
    assert_eq!(loaded.notices, []);
    let service = loaded.units["a.service"].as_service().unwrap();
    assert_eq!((service.exec_start[0].program.as_str(), service.restart), ("/bin/z", Restart::No));
    assert_eq!(service.environment.len(), 2);
    assert_eq!(loaded.units["a.service"].sources.len(), 4);
}

#[test]
fn instances_come_from_templates() {
    let mut files = Files::new();
    files.add("get@.service".as_ref(), "[Unit]\nDescription=Get %I\n[Service]\nExecStart=/bin/get %i\n");
    files.add("a.service".as_ref(), "[Unit]\nWants=get@x-y.service\n[Service]\nExecStart=/bin/a\n");
    let loaded = files.load(&Host::new());
    assert_eq!(loaded.units["get@x-y.service"].description, "Get x/y");
    assert!(!loaded.units.contains_key("get@.service") && files.has_template_of("get@z.service"));
    let more = files.load_with(&Host::new(), &BTreeSet::from(["get@z.service".to_owned()]));
    assert_eq!(more.units["get@z.service"].as_service().unwrap().exec_start[0].argv, ["/bin/get", "z"]);
}

#[test]
fn a_oneshot_takes_its_time_unless_told() {
    let limit = |more: &str| {
        let loaded = load(&[("a.service", &format!("[Service]\nExecStart=/bin/a\n{more}"))]);
        loaded.units["a.service"].as_service().unwrap().timeout_start
    };
    assert_eq!(limit(""), Some(Duration::from_secs(90)));
    assert_eq!(limit("Type=oneshot"), None);
    assert_eq!(limit("Type=oneshot\nTimeoutStartSec=5"), Some(Duration::from_secs(5)));
}

proptest! {
    #[test]
    fn nothing_breaks_it(
        lines in proptest::collection::vec(("(ExecStart|Environment|After|ListenStream|LimitCPU|MemoryMax|RestartSec|User|X|)", "[=:]", "\\PC{0,20}"), 0..12),
        raw in "\\PC{0,60}",
    ) {
        let body: String = lines.iter().map(|(key, sign, value)| format!("{key}{sign}{value}\n")).collect();
        for text in [format!("[Service]\n{body}"), format!("[Unit]\n{body}[Socket]\n{body}"), raw.clone()] {
            load(&[("a.service", &text), ("a.socket", &text), ("a.toml", &text), ("b@.service", &text)]);
        }
    }

    /// Variables that are quoted come out as they went in.
    #[test]
    fn variables_survive(pairs in proptest::collection::vec(("[A-Z]{1,5}", "[^\0\n\r%]{0,10}"), 1..4)) {
        let quoted: Vec<String> = pairs.iter().map(|(name, value)| {
            format!("\"{name}={}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        }).collect();
        let loaded = load(&[("a.service", &format!("[Service]\nExecStart=/bin/a\nEnvironment={}\n", quoted.join(" ")))]);
        prop_assert_eq!(&loaded.units["a.service"].as_service().unwrap().environment, &pairs);
    }
}
