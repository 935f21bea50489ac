//! What a run's faults are like as a whole. Beside everything at random there is weather that favours one kind of accident:
//! what needs a chain of them is met there within some hundred seeds, and hardly ever elsewhere.

use std::time::Duration;

use xs_os::sim::{Episode, Fault, Kind, Nemesis, NodeId};

use super::common::operator::Errands;
use super::run::{CLIENTS, MS, SERVERS, Settings, UNTIL};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Machines that come and go all the time, and a network that never settles: one election after another, of five.
    Storm,
    /// The same with three.
    SmallStorm,
    /// Everything, at its leisure, and changes of membership.
    All,
    /// Two of three take turns in leading, each for some messages, and the third is slow to stand: entries of old terms lie
    /// about everywhere (Figure 8).
    Duel,
    /// Leases, clocks that differ as much as they may, and clients in a hurry on both sides of splits.
    Leases,
    /// Nodes are removed and come back all the time, in a network of two parts.
    Churn,
    /// Followers fall behind a log that is short, under a leader that stays; many a message comes twice, or late.
    Echoes,
}

impl Weather {
    /// The third is that of a run that names none.
    pub(crate) const ALL: [Weather; 7] = [
        Weather::Storm,
        Weather::SmallStorm,
        Weather::All,
        Weather::Duel,
        Weather::Leases,
        Weather::Churn,
        Weather::Echoes,
    ];

    pub(crate) fn nemesis(self) -> Nemesis {
        let nodes = |servers: u32| (0..servers).map(NodeId).collect();
        let mut all = Nemesis::new(nodes(SERVERS), UNTIL);
        all.bystanders = (SERVERS..SERVERS + CLIENTS).map(NodeId).collect();
        all.gap = 30 * MS..300 * MS;
        all.lasts = 20 * MS..1000 * MS;
        // A tenth: two clocks then differ by 30 ms in an election timeout, and leases allow for 40.
        all.drift = 100_000;
        let storm = |servers| {
            let mut storm = Nemesis { nodes: nodes(servers), bystanders: Vec::new(), ..all.clone() };
            storm.gap = 5 * MS..80 * MS;
            storm.lasts = MS..200 * MS;
            storm.loss = 700;
            let deaths = [Kind::Crash, Kind::Crash, Kind::CrashInStep, Kind::Kill];
            storm.only(&[&deaths[..], &[Kind::Split, Kind::Cut, Kind::Pause, Kind::Lossy]].concat())
        };
        match self {
            Weather::Storm => storm(SERVERS),
            Weather::SmallStorm => storm(3),
            Weather::All => all,
            Weather::Duel => {
                let mut duel = storm(2);
                duel.gap = 50 * MS..400 * MS;
                duel.only(&[Kind::Kill, Kind::Crash])
            }
            Weather::Leases => {
                all.gap = 100 * MS..400 * MS;
                all.lasts = 100 * MS..1000 * MS;
                all.only(&[Kind::Split])
            }
            Weather::Churn => {
                all.gap = 50 * MS..300 * MS;
                all.lasts = 100 * MS..1000 * MS;
                all.only(&[Kind::Split, Kind::Split, Kind::Split, Kind::Kill])
            }
            Weather::Echoes => {
                let mut echoes = Nemesis { nodes: nodes(3), ..all };
                echoes.gap = 50 * MS..200 * MS;
                echoes.lasts = 50 * MS..300 * MS;
                echoes.only(&[Kind::Cut, Kind::Pause])
            }
        }
    }

    /// What goes wrong from the beginning to the last fault's end, beside the plan.
    pub(crate) fn always(self) -> Vec<Episode> {
        let episode = |fault| Episode { at: Duration::ZERO, lasts: UNTIL, fault };
        match self {
            Weather::Duel => vec![
                episode(Fault::Drift { node: NodeId(2), ppm: -800_000 }),
                episode(Fault::Lossy { loss: 350, duplicate: 0, reorder: 100 }),
            ],
            Weather::Leases => (0..SERVERS)
                .map(|node| {
                    episode(Fault::Drift { node: NodeId(node), ppm: if node % 2 == 0 { 95_000 } else { -95_000 } })
                })
                .collect(),
            Weather::Echoes => vec![episode(Fault::Lossy { loss: 0, duplicate: 500, reorder: 200 })],
            _ => Vec::new(),
        }
    }

    /// Makes of a run's settings what belongs to the weather.
    pub(crate) fn settle(self, settings: &mut Settings) {
        let raft = &mut settings.raft;
        match self {
            Weather::Storm | Weather::SmallStorm | Weather::All => {}
            Weather::Duel => {
                (raft.pre_vote, raft.check_quorum, raft.lease_skew) = (false, false, None);
                (raft.max_append_bytes, raft.max_inflight, raft.election_jitter) = (1, 1, 60 * MS);
                settings.founders = 3;
                (settings.sync_after, settings.snapshot_at, settings.cursed) = (None, None, Some(120 * MS));
                settings.errands = Errands::Nothing;
            }
            Weather::Leases => {
                (raft.check_quorum, raft.lease_skew, raft.election_jitter) = (true, Some(40 * MS), 50 * MS);
                (settings.sync_after, settings.errands) = (None, Errands::Nothing);
                settings.pause = 3 * MS;
            }
            Weather::Churn => {
                (raft.check_quorum, raft.lease_skew, raft.pre_vote) = (false, None, false);
                settings.founders = u64::from(SERVERS);
                settings.errands = Errands::Churn;
            }
            Weather::Echoes => {
                (raft.cache_bytes, raft.snapshot_chunk_bytes) = (0, 1 << 20);
                settings.founders = 3;
                (settings.sync_after, settings.snapshot_at, settings.errands) = (None, Some(8), Errands::Nothing);
                settings.pause = 3 * MS;
            }
        }
    }
}
