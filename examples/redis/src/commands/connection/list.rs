//! `CLIENT LIST`, `CLIENT INFO` and `CLIENT KILL`: clients described, and clients found.

use std::fmt::Write as _;

use xs_net::listener::Addr;
use xs_proto::resp::{Args, Version};

use crate::client::Client;
use crate::command::Outcome;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;
use crate::state::Server;

/// A client in one line, as 7.0 prints it, without the line's end. `args` is what it asks at this moment.
///
/// What has no counterpart here is zero: there is no reply buffer of a fixed size, and a quiet client has no buffers.
pub(crate) fn info_line(server: &Server, client: &Client, args: Option<Args<'_>>, now: u64) -> Vec<u8> {
    let pending = client.handle.pending_output();
    let arg_bytes: usize = args.iter().flat_map(|args| args.iter()).map(<[u8]>::len).sum();
    let multi_bytes = client.multi.as_ref().map_or(0, |multi| multi.bytes);
    let subscribed = [client.channels.len(), client.patterns.len(), client.shard_channels.len()];
    let memory = client.memory() + arg_bytes;
    let mut line = String::with_capacity(400);
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} qbuf={} \
         qbuf-free=0 argv-mem={} multi-mem={} rbs=0 rbp=0 obl=0 oll={} omem={} tot-mem={} events={} cmd={} user=",
        client.id,
        client.addr,
        client.laddr,
        client.fd,
        String::from_utf8_lossy(&client.name),
        (now / 1000).saturating_sub(client.created / 1000),
        (now / 1000).saturating_sub(client.last_seen / 1000),
        flags(server, client),
        client.db,
        subscribed[0],
        subscribed[1],
        subscribed[2],
        client.multi.as_ref().map_or(-1, |multi| multi.queued as i64),
        args.map_or(client.unread, wire_len),
        arg_bytes,
        multi_bytes,
        usize::from(pending > 0),
        pending,
        memory,
        if pending > 0 { "rw" } else { "r" },
        client.last_command.unwrap_or("NULL"),
    );
    let mut line = line.into_bytes();
    match &client.user {
        Some(user) => line.extend_from_slice(&user.name),
        None => line.extend_from_slice(b"default"),
    }
    let redirect = client.tracking.as_ref().map_or(-1, |options| options.redirect.unwrap_or(0) as i64);
    let version = if client.version == Version::Resp3 { 3 } else { 2 };
    line.extend_from_slice(format!(" redir={redirect} resp={version}").as_bytes());
    line
}

/// The letters behind `flags=`.
fn flags(server: &Server, client: &Client) -> String {
    let tracking = client.tracking.as_ref();
    let letters = [
        ('O', server.monitors.contains(client.id)),
        ('P', client.subscriptions() > 0),
        ('x', client.multi.is_some()),
        ('b', client.blocked.is_some()),
        ('t', tracking.is_some()),
        ('R', server.tracking.is_broken(client.id)),
        ('B', tracking.is_some_and(|options| options.bcast)),
        ('d', client.watch_broken),
        ('c', client.close),
        ('U', matches!(client.handle.peer(), Addr::Unix(_))),
        ('e', client.no_evict),
    ];
    let set: String = letters.iter().filter(|(_, is_set)| *is_set).map(|(letter, _)| *letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

/// How many bytes a request takes on the wire.
fn wire_len(args: Args<'_>) -> usize {
    let header = |number: usize| number.checked_ilog10().unwrap_or(0) as usize + 1 + 3;
    header(args.len()) + args.iter().map(|arg| header(arg.len()) + arg.len() + 2).sum::<usize>()
}

/// The classes of clients that can be asked for. There are no replicas and no masters among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    Pubsub,
    Replication,
}

impl Class {
    fn of(client: &Client) -> Class {
        if client.subscriptions() > 0 { Class::Pubsub } else { Class::Normal }
    }

    fn parse(name: &[u8]) -> Result<Class, Fault> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Class::Normal),
            b"pubsub" => Ok(Class::Pubsub),
            b"slave" | b"replica" | b"master" => Ok(Class::Replication),
            _ => Err(Fault::quoting(&[&"ERR Unknown client type '", &name, &"'"])),
        }
    }
}

/// Every client, oldest first; the one that asks is among them.
fn everybody<'a>(ctx: &'a Ctx<'_>) -> Vec<&'a Client> {
    let mut all: Vec<&Client> = ctx.server.clients.iter().chain([&*ctx.client]).collect();
    all.sort_by_key(|client| client.id);
    all
}

fn line(ctx: &Ctx<'_>, client: &Client) -> Vec<u8> {
    let args = (client.id == ctx.client.id).then_some(ctx.args);
    let mut line = info_line(ctx.server, client, args, ctx.now);
    line.push(b'\n');
    line
}

/// `CLIENT INFO`
pub(super) fn info(ctx: &mut Ctx<'_>) -> Outcome {
    let line = line(ctx, ctx.client);
    ctx.reply.verbatim(b"txt", &line);
    Ok(())
}

/// `CLIENT LIST [TYPE type | ID id [id …]]`
pub(super) fn list(ctx: &mut Ctx<'_>) -> Outcome {
    let option = ctx.args.get(2).map(<[u8]>::to_ascii_lowercase);
    let lines: Vec<u8> = match (option.as_deref(), ctx.args.len()) {
        (None, _) => everybody(ctx).into_iter().flat_map(|client| line(ctx, client)).collect(),
        (Some(b"type"), 4) => {
            let class = Class::parse(ctx.arg(3))?;
            let of_class = everybody(ctx).into_iter().filter(|client| Class::of(client) == class);
            of_class.flat_map(|client| line(ctx, client)).collect()
        }
        (Some(b"id"), 4..) => {
            let mut lines = Vec::new();
            for id in ctx.args.skip(3) {
                let id = parse::int(id).ok_or(Fault::new("ERR Invalid client ID"))? as u64;
                let client = if id == ctx.client.id { Some(&*ctx.client) } else { ctx.server.clients.get(id) };
                lines.extend(client.into_iter().flat_map(|client| line(ctx, client)));
            }
            lines
        }
        _ => return Err(Fault::SYNTAX),
    };
    ctx.reply.verbatim(b"txt", &lines);
    Ok(())
}

/// Which clients `CLIENT KILL` is after: all that fit every condition.
#[derive(Debug, Default)]
struct Filter<'a> {
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    class: Option<Class>,
    id: Option<u64>,
    user: Option<&'a [u8]>,
    spare_me: bool,
}

impl<'a> Filter<'a> {
    fn parse(ctx: &Ctx<'a>) -> Result<Filter<'a>, Fault> {
        let mut filter = Filter { spare_me: true, ..Filter::default() };
        let options = ctx.args.skip(2);
        for at in (0..options.len()).step_by(2) {
            let Some(value) = options.get(at + 1) else { return Err(Fault::SYNTAX) };
            match options[at].to_ascii_lowercase().as_slice() {
                b"id" => {
                    let id = parse::int(value).filter(|id| *id > 0);
                    filter.id = Some(id.ok_or(Fault::new("ERR client-id should be greater than 0"))? as u64);
                }
                b"type" => filter.class = Some(Class::parse(value)?),
                b"addr" => filter.addr = Some(value),
                b"laddr" => filter.laddr = Some(value),
                b"user" if ctx.server.acl.get(value).is_some() => filter.user = Some(value),
                b"user" => {
                    return Err(Fault::quoting(&[&"ERR No such user '", &value, &"'"]));
                }
                b"skipme" => match value.to_ascii_lowercase().as_slice() {
                    b"yes" => filter.spare_me = true,
                    b"no" => filter.spare_me = false,
                    _ => return Err(Fault::SYNTAX),
                },
                _ => return Err(Fault::SYNTAX),
            }
        }
        Ok(filter)
    }

    fn fits(&self, client: &Client) -> bool {
        self.addr.is_none_or(|addr| client.addr.as_bytes() == addr)
            && self.laddr.is_none_or(|laddr| client.laddr.as_bytes() == laddr)
            && self.class.is_none_or(|class| Class::of(client) == class)
            && self.id.is_none_or(|id| client.id == id)
            && self.user.is_none_or(|user| client.user.as_ref().is_some_and(|his| his.name == user))
    }
}

/// `CLIENT KILL addr` and `CLIENT KILL [option value] …`
pub(super) fn kill(ctx: &mut Ctx<'_>) -> Outcome {
    let is_old_form = ctx.args.len() == 3;
    let filter = match is_old_form {
        true => Filter { addr: ctx.args.get(2), ..Filter::default() },
        false => Filter::parse(ctx)?,
    };
    let ids: Vec<u64> =
        ctx.server.clients.iter().filter(|client| filter.fits(client)).map(|client| client.id).collect();
    let mut killed = ids.len();
    ids.into_iter().for_each(|id| ctx.server.end(id));
    if !filter.spare_me && filter.fits(ctx.client) {
        killed += 1;
        ctx.client.close = true;
    }
    match (is_old_form, killed) {
        (true, 0) => return Err(Fault::new("ERR No such client")),
        (true, _) => ctx.reply.ok(),
        (false, killed) => ctx.reply.int(killed as i64),
    }
    Ok(())
}
