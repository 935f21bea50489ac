//! What an operator asks of the cluster.

use std::time::Instant;

use tokio::sync::oneshot;
use xs_consensus::raft::{Change, NodeId, Rejected, RoleName};
use xs_consensus::replica::Token;

use super::{Admin, Failed, Node, Waiter};
use crate::command::Op;
use crate::peer::Network;

impl<N: Network> Node<N> {
    pub(super) fn admin(&mut self, now: Instant, admin: Admin, answer: oneshot::Sender<Result<(), Failed>>) {
        if admin == Admin::Compact {
            self.replica.compact();
            return drop(answer.send(Ok(())));
        }
        if self.replica.role() != RoleName::Leader {
            let failed = match self.replica.leader() {
                Some(leader) => self.moved(leader.0),
                None => Failed::NotDone("nobody leads".into()),
            };
            return drop(answer.send(Err(failed)));
        }
        let mut joins = None;
        let change = match admin {
            Admin::Compact => return,
            Admin::Transfer(to) => {
                let heir = to.or_else(|| self.heir());
                let begun = match heir {
                    None => Err(Failed::Never("there is nobody else who votes".into())),
                    Some(heir) if self.replica.leader() == Some(NodeId(heir)) => Ok(()),
                    Some(heir) => self.replica.transfer(now, NodeId(heir)).map_err(refused),
                };
                return drop(answer.send(begun));
            }
            Admin::Add(node, member) => {
                let clash = self
                    .replica
                    .machine()
                    .store()
                    .members()
                    .iter()
                    .any(|(other, known)| *other != node && known.peer == member.peer);
                if node == 0 || clash {
                    let why = if node == 0 { "a node's number is at least 1" } else { "another node has that address" };
                    return drop(answer.send(Err(Failed::Never(why.into()))));
                }
                if self.replica.membership().contains(NodeId(node)) {
                    return drop(answer.send(Err(Failed::Never("it is a member already".into()))));
                }
                joins = Some((node, member));
                Change::AddLearner(NodeId(node))
            }
            Admin::Promote(node) => Change::AddVoter(NodeId(node)),
            Admin::Remove(node) => Change::Remove(NodeId(node)),
        };
        let number = self.number();
        match self.replica.change(now, Token(number), &[change]) {
            Ok(()) => {
                self.waiting.insert(number, Waiter::Change(answer));
                if let Some((node, member)) = joins {
                    self.directory.set(node, member.clone());
                    self.propose_own(now, vec![Op::Remember(node, member)]);
                }
                if let Change::Remove(NodeId(node)) = change {
                    self.propose_own(now, vec![Op::Forget(node)]);
                }
            }
            Err(why) => drop(answer.send(Err(refused(why)))),
        }
    }

    /// The voter that is furthest, of those who are there.
    pub(super) fn heir(&self) -> Option<u64> {
        let status = self.replica.status();
        let membership = &status.membership.1;
        let able = status.followers.iter().filter(|follower| follower.heard && membership.is_voter(follower.id));
        able.max_by_key(|follower| (follower.matched, follower.id)).map(|follower| follower.id.0)
    }
}

fn refused(why: Rejected) -> Failed {
    match why {
        Rejected::BadChange(_) => Failed::Never(why.to_string()),
        _ => Failed::NotDone(why.to_string().into()),
    }
}
