//! Ours: `xs-distributed-kv serve`, three times.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::load::Protocol;
use super::{Cluster, Options, data_dir};
use crate::web::{self, Running};

/// The release build, which stands beside this program.
pub(super) fn program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("xs-distributed-kv"))
}

pub(super) struct Nodes {
    program: PathBuf,
    cores: String,
    ports: [u16; 3],
    peers: [u16; 3],
    dirs: [String; 3],
    election_timeout: Option<Duration>,
    running: [Option<Running>; 3],
}

impl Nodes {
    /// Nodes whose directories begin with `name`; with the program's own election timeout, or another one.
    pub(super) fn new(
        dir: &Path,
        name: &str,
        options: &Options,
        election_timeout: Option<Duration>,
    ) -> Result<Nodes, Box<dyn Error>> {
        let (program, cores) = (&options.ours, options.cores.clone());
        if !program.exists() {
            let what = "there is no release build of xs-distributed-kv; `cargo build --release -p xs-distributed-kv`";
            return Err(format!("{}: {what}", program.display()).into());
        }
        let (ports, peers) = super::free_ports()?;
        Ok(Nodes {
            program: program.to_owned(),
            cores,
            ports,
            peers,
            dirs: [data_dir(dir, name, 0)?, data_dir(dir, name, 1)?, data_dir(dir, name, 2)?],
            election_timeout,
            running: [None, None, None],
        })
    }
}

impl Cluster for Nodes {
    fn name(&self) -> &'static str {
        "xs-distributed-kv"
    }

    fn start(&mut self, node: usize) -> io::Result<()> {
        let cluster: Vec<String> =
            self.peers.iter().enumerate().map(|(at, port)| format!("{}=127.0.0.1:{port}", at + 1)).collect();
        let (id, port, peer) = ((node + 1).to_string(), self.ports[node].to_string(), self.peers[node].to_string());
        let cluster = cluster.join(",");
        let timeout = self.election_timeout.map(|timeout| timeout.as_millis().to_string());
        let mut args = vec![
            "serve",
            "--id",
            &id,
            "--data-dir",
            &self.dirs[node],
            "--port",
            &port,
            "--peer-port",
            &peer,
            "--cluster",
            &cluster,
        ];
        if let Some(timeout) = &timeout {
            args.extend(["--election-timeout", timeout]);
        }
        self.running[node] = Some(web::run(&self.cores, &self.program, &args, Stdio::null())?);
        web::wait_for(self.ports[node], "xs-distributed-kv")
    }

    fn ports(&self) -> [u16; 3] {
        self.ports
    }

    fn nodes(&mut self) -> &mut [Option<Running>; 3] {
        &mut self.running
    }

    fn protocol(&self) -> Protocol {
        Protocol::Resp
    }
}
