//! Ours: `xs-distributed-kv serve`, three times.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::load::Protocol;
use super::{Cluster, data_dir};
use crate::web::{self, Running};

/// The release build, which stands beside this program.
pub(super) fn program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("xs-distributed-kv"))
}

pub(super) struct Nodes {
    program: PathBuf,
    ports: [u16; 3],
    peers: [u16; 3],
    dirs: [String; 3],
    running: [Option<Running>; 3],
}

impl Nodes {
    pub(super) fn new(dir: &Path, program: &Path) -> Result<Nodes, Box<dyn Error>> {
        if !program.exists() {
            let what = "there is no release build of xs-distributed-kv; `cargo build --release -p xs-distributed-kv`";
            return Err(format!("{}: {what}", program.display()).into());
        }
        Ok(Nodes {
            program: program.to_owned(),
            ports: super::three(web::free_port)?,
            peers: super::three(web::free_port)?,
            dirs: [data_dir(dir, "xs", 0)?, data_dir(dir, "xs", 1)?, data_dir(dir, "xs", 2)?],
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
        let args = [
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
        self.running[node] = Some(web::run("0", &self.program, &args, Stdio::null())?);
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
