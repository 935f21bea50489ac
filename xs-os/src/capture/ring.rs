//! The ring that the kernel puts packets into.
//!
//! This module is unsafe where it talks with the kernel: five system calls that nobody wraps, and memory that the
//! kernel writes to. The rule of that memory (TPACKET_V3) is that a block belongs to the kernel until its status word
//! says `TP_STATUS_USER`, and to us from then until we store `TP_STATUS_KERNEL`. Blocks are given in turn. So what is
//! borrowed of a block ends before the block is given back ([`Ring::data`] takes `&self` and looks whether the block is
//! ours, [`Ring::next`] takes `&mut self`), and all offsets inside are checked against the block.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::mem::{self, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{c_int, sockaddr_ll, tpacket_block_desc, tpacket_req3, tpacket_stats_v3, tpacket3_hdr};
use memmap2::{MmapOptions, MmapRaw};

use super::bpf::{Instruction, Program};

/// A packet that lies in the ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) time: Duration,
    pub(super) original_len: u32,
    block: usize,
    from: usize,
    len: usize,
    /// The tag that the card has taken off: what announced it, and what it says.
    pub(super) tag: Option<(u16, u16)>,
    /// It leaves this machine.
    pub(super) outgoing: bool,
}

/// What was counted since the last time that somebody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Packets that the filter wanted, the lost ones among them.
    pub received: u32,
    /// Those for which the ring had no room.
    pub dropped: u32,
}

pub(super) struct Ring {
    memory: MmapRaw,
    fd: OwnedFd,
    block_size: usize,
    blocks: usize,
    /// The block that is looked at, how many packets are left in it, and where the next one begins.
    block: usize,
    left: u32,
    at: usize,
    /// Whether the block belongs to us.
    held: bool,
}

const BLOCK: usize = 1 << 20;
const FRAME: usize = 1 << 11;
/// After so many milliseconds a block is ours, however little is in it.
const RETIRE: u32 = 50;
const USER: u32 = 1;
const KERNEL: u32 = 0;

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn set<T>(fd: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as the value has.
    let set = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const *value).cast::<c_void>(), size_of::<T>() as u32)
    };
    check(set).map(drop)
}

impl Ring {
    /// A socket that sees every packet of an interface, and a ring of so many bytes. Nothing is captured before
    /// [`bind`](Self::bind).
    pub(super) fn open(bytes: usize) -> io::Result<Self> {
        // SAFETY: it takes no pointers. A protocol of 0 receives nothing yet.
        let fd = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: it was opened just now, and nobody else knows of it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        set(&fd, libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        let blocks = bytes.div_ceil(BLOCK).clamp(2, 4096);
        let request = tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: (blocks * (BLOCK / FRAME)) as u32,
            tp_retire_blk_tov: RETIRE,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let memory = MmapOptions::new().len(blocks * BLOCK).map_raw(&fd)?;
        Ok(Ring { memory, fd, block_size: BLOCK, blocks, block: 0, left: 0, at: 0, held: false })
    }

    /// Begins to capture.
    pub(super) fn bind(&self, interface: u32, promiscuous: bool) -> io::Result<()> {
        if promiscuous {
            let member = libc::packet_mreq {
                mr_ifindex: interface as c_int,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            set(&self.fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &member)?;
        }
        // SAFETY: zeros are an address of a family that is set below.
        let mut address: sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = interface as c_int;
        // SAFETY: the kernel reads as many bytes as the address has.
        let bound =
            unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), size_of::<sockaddr_ll>() as u32) };
        check(bound).map(drop)
    }

    /// From now on only what a program wants comes into the ring.
    pub(super) fn attach(&self, program: &Program) -> io::Result<()> {
        let filter = |instruction: &Instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.jump_true,
            jf: instruction.jump_false,
            k: instruction.k,
        };
        let mut filters: Vec<libc::sock_filter> = program.instructions().iter().map(filter).collect();
        let whole = libc::sock_fprog { len: filters.len() as u16, filter: filters.as_mut_ptr() };
        set(&self.fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &whole)
    }

    pub(super) fn statistics(&self) -> io::Result<Statistics> {
        let mut counted = tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        let mut len = size_of::<tpacket_stats_v3>() as u32;
        // SAFETY: the kernel writes at most as many bytes as `len` says, which is what there is.
        let got = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counted).cast(),
                &mut len,
            )
        };
        check(got)?;
        Ok(Statistics { received: counted.tp_packets, dropped: counted.tp_drops })
    }

    fn start(&self) -> *mut u8 {
        // SAFETY: `block` is less than `blocks`, and the mapping has that many of them.
        unsafe { self.memory.as_mut_ptr().add(self.block * self.block_size) }
    }

    fn status(&self) -> &AtomicU32 {
        let descriptor = self.start().cast::<tpacket_block_desc>();
        // SAFETY: a block begins with its descriptor, aligned to pages; the word is only ever used atomically, here and
        // in the kernel.
        unsafe { AtomicU32::from_ptr(&raw mut (*descriptor).hdr.bh1.block_status) }
    }

    /// The next packet, if one is there. The one before is gone then.
    pub(super) fn next(&mut self) -> Option<Found> {
        while self.left == 0 {
            if self.held {
                self.status().store(KERNEL, Ordering::Release);
                (self.held, self.block) = (false, (self.block + 1) % self.blocks);
            }
            if self.status().load(Ordering::Acquire) & USER == 0 {
                return None;
            }
            self.held = true;
            // SAFETY: the block is ours, and begins with its descriptor.
            let header = unsafe { (*self.start().cast::<tpacket_block_desc>()).hdr.bh1 };
            (self.left, self.at) = (header.num_pkts, header.offset_to_first_pkt as usize);
        }
        self.left -= 1;
        if !self.at.is_multiple_of(mem::align_of::<tpacket3_hdr>())
            || self.at + size_of::<tpacket3_hdr>() + size_of::<sockaddr_ll>() + 16 > self.block_size
        {
            self.left = 0;
            return None;
        }
        let at = self.at;
        // SAFETY: it lies inside the block, which is ours, and is aligned as the block is.
        let header = unsafe { *self.start().add(at).cast::<tpacket3_hdr>() };
        self.at = at.saturating_add(header.tp_next_offset as usize);
        let from = at + usize::from(header.tp_mac);
        let len = (header.tp_snaplen as usize).min(self.block_size.saturating_sub(from));
        // The address follows the header, aligned to 16 bytes.
        let address = at + size_of::<tpacket3_hdr>().next_multiple_of(16);
        // SAFETY: as above; the check at the beginning has left room for it.
        let address = unsafe { *self.start().add(address).cast::<sockaddr_ll>() };
        let tagged = header.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
        Some(Found {
            time: Duration::new(header.tp_sec.into(), header.tp_nsec.min(999_999_999)),
            original_len: header.tp_len,
            block: self.block,
            from: from.min(self.block_size),
            len,
            tag: tagged.then_some((header.hv1.tp_vlan_tpid, header.hv1.tp_vlan_tci as u16)),
            outgoing: address.sll_pkttype == libc::PACKET_OUTGOING,
        })
    }
}

impl Ring {
    /// A packet's bytes: nothing if its block has been given back.
    pub(super) fn data(&self, found: &Found) -> &[u8] {
        if !self.held || found.block != self.block {
            return &[];
        }
        // SAFETY: `next` has seen that it lies inside of a block, and the block is ours; it stays ours as long as this
        // borrows `self`, since only `next` gives it back.
        unsafe { std::slice::from_raw_parts(self.start().add(found.from), found.len) }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
