//! Memory for keys: locked pages that no core dump has, and that are cleared before anything else uses them.
//!
//! AWS-LC takes all its memory from here (see `serve`), and what holds keys without it is in a `Locked`. This is the only
//! file with `unsafe` code. Nothing here waits for a lock, so a child that is forked at any moment goes on.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

#[cfg(feature = "fips")]
use aws_lc_fips_sys::CRYPTO_set_mem_functions;
#[cfg(not(feature = "fips"))]
use aws_lc_sys::CRYPTO_set_mem_functions;
use zeroize::Zeroize;

/// Bytes of a slot: what AWS-LC allocates for a key, or an HMAC, is smaller.
const SLOT: usize = 1024;
/// Slots of a chunk, one for each bit of its `used`.
const SLOTS: usize = u64::BITS as usize;
const CHUNK: usize = SLOT * SLOTS;
/// At most 4 MiB, half of what Linux lets a process lock. Some 2,000 data keys in use fit in.
const CHUNKS: usize = 64;
/// Bytes before ordinary memory, with its size. AWS-LC does the same, so what it had from its own allocator before
/// `serve` can be freed here.
const PREFIX: usize = 8;

static ARENA: Arena<CHUNKS> = Arena::new();
static SERVES: OnceLock<bool> = OnceLock::new();

/// 64 slots in locked pages.
struct Chunk {
    base: AtomicPtr<u8>,
    used: AtomicU64,
}

/// Locked pages, taken from the system as they are needed.
///
/// A set bit in `used` belongs to whoever set it: only the one that has the slot touches it, and it is cleared before the
/// bit is. A chunk is never given back, so that its address stays valid.
struct Arena<const N: usize> {
    chunks: [Chunk; N],
    refused: AtomicBool,
}

impl<const N: usize> Arena<N> {
    const fn new() -> Self {
        let chunks = [const { Chunk { base: AtomicPtr::new(ptr::null_mut()), used: AtomicU64::new(0) } }; N];
        Self { chunks, refused: AtomicBool::new(false) }
    }

    /// Return a cleared slot, or None if it would be too small, or none can be had.
    fn take(&self, size: usize) -> Option<NonNull<u8>> {
        if size > SLOT {
            return None;
        }
        self.chunks.iter().map_while(|chunk| Some((chunk, self.base(chunk)?))).find_map(|(chunk, base)| {
            let free = chunk.take()?;
            // SAFETY: `free` is below SLOTS, so this is within the CHUNK bytes mapped at `base`.
            Some(unsafe { base.add(free * SLOT) })
        })
    }

    /// Clear a slot and give it back. False if this is not one.
    ///
    /// # Safety
    /// If it lies in the arena, it came from `take` and nobody uses it any more.
    unsafe fn give(&self, slot: NonNull<u8>) -> bool {
        let Some((chunk, offset)) = self.find(slot) else { return false };
        // SAFETY: the caller has the whole slot, which is SLOT bytes long and aligned to SLOT.
        unsafe { clear(slot, SLOT) };
        chunk.used.fetch_and(!(1 << (offset / SLOT)), Ordering::Release);
        true
    }

    fn find(&self, slot: NonNull<u8>) -> Option<(&Chunk, usize)> {
        let bases = self.chunks.iter().map(|chunk| (chunk, chunk.base.load(Ordering::Acquire)));
        let mut offsets = bases.take_while(|(_, base)| !base.is_null()).map(|(chunk, base)| {
            // A slot below the base wraps around, and so is far beyond its end.
            (chunk, slot.addr().get().wrapping_sub(base.addr()))
        });
        offsets.find(|(_, offset)| *offset < CHUNK)
    }

    /// Return where a chunk begins; maps it, if it is the first time.
    fn base(&self, chunk: &Chunk) -> Option<NonNull<u8>> {
        if let Some(base) = NonNull::new(chunk.base.load(Ordering::Acquire)) {
            return Some(base);
        }
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let Some(mapped) = pages::map() else {
            self.refused.store(true, Ordering::Relaxed);
            return None;
        };
        match chunk.base.compare_exchange(ptr::null_mut(), mapped.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(mapped),
            Err(other) => {
                pages::unmap(mapped);
                NonNull::new(other)
            }
        }
    }

    /// Lock all pages again, in a forked child, which does not inherit that.
    fn lock_again(&self) {
        for base in self.chunks.iter().filter_map(|chunk| NonNull::new(chunk.base.load(Ordering::Acquire))) {
            if !pages::lock(base) {
                self.refused.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Chunk {
    fn take(&self) -> Option<usize> {
        let first_free = |used: u64| (used != u64::MAX).then(|| used | (used + 1));
        let before = self.used.fetch_update(Ordering::Acquire, Ordering::Relaxed, first_free).ok()?;
        Some((!before).trailing_zeros() as usize)
    }
}

#[cfg(unix)]
mod pages {
    use super::{CHUNK, NonNull, ptr};
    use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};

    /// Return cleared pages that are locked, unless the system refuses.
    pub fn map() -> Option<NonNull<u8>> {
        let flags = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping, at an address that the system chooses, touches no other memory.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), CHUNK, flags.0, flags.1) }.ok()?;
        let base = NonNull::new(base.cast())?;
        if !lock(base) {
            unmap(base);
            return None;
        }
        Some(base)
    }

    /// Keep a chunk from being swapped out and, on Linux, from core dumps.
    pub fn lock(base: NonNull<u8>) -> bool {
        // SAFETY: neither changes what is in a mapping of ours, nor whether it may be read and written.
        #[cfg(target_os = "linux")]
        let kept_out = unsafe { rustix::mm::madvise(base.as_ptr().cast(), CHUNK, rustix::mm::Advice::LinuxDontDump) };
        #[cfg(not(target_os = "linux"))]
        let kept_out = Ok::<(), rustix::io::Errno>(());
        // SAFETY: as above.
        kept_out.is_ok() && unsafe { mlock(base.as_ptr().cast(), CHUNK) }.is_ok()
    }

    pub fn unmap(base: NonNull<u8>) {
        // SAFETY: only called for what `map` has just made, which nobody has seen. If it fails, the pages are lost.
        let _ = unsafe { munmap(base.as_ptr().cast(), CHUNK) };
    }
}

#[cfg(not(unix))]
mod pages {
    use super::NonNull;

    pub fn map() -> Option<NonNull<u8>> {
        None
    }

    pub fn lock(_: NonNull<u8>) -> bool {
        false
    }

    pub fn unmap(_: NonNull<u8>) {}
}

/// Overwrite memory, also if nobody reads it afterwards.
///
/// # Safety
/// The caller has it, and uses it no more.
unsafe fn clear(start: NonNull<u8>, size: usize) {
    // SAFETY: what the caller has may be written as bytes. They are written one word after the other where words fit.
    let (head, words, tail) = unsafe { slice::from_raw_parts_mut(start.as_ptr(), size).align_to_mut::<u64>() };
    head.zeroize();
    words.zeroize();
    tail.zeroize();
}

fn allocate(size: usize) -> Option<NonNull<u8>> {
    ARENA.take(size).or_else(|| ordinary(size))
}

/// Return memory of the C library, whose first bytes keep its size.
fn ordinary(size: usize) -> Option<NonNull<u8>> {
    let all = size.checked_add(PREFIX)?;
    // SAFETY: `malloc` may be called with any size, and aligns to more than a usize needs. PREFIX bytes are within.
    unsafe {
        let start = NonNull::new(libc::malloc(all).cast::<u8>())?;
        start.cast::<usize>().write(size);
        Some(start.add(PREFIX))
    }
}

/// Clear memory and give it back.
///
/// # Safety
/// It came from `allocate`, or from the allocator of AWS-LC itself, and nobody uses it any more.
unsafe fn release(memory: NonNull<u8>) {
    // SAFETY: as the caller promises. What is not in the arena has its size in front, as `ordinary` and AWS-LC write it.
    unsafe {
        if !ARENA.give(memory) {
            let start = memory.sub(PREFIX);
            clear(memory, start.cast::<usize>().read());
            libc::free(start.as_ptr().cast());
        }
    }
}

/// # Safety
/// As for `release`.
unsafe fn size_of_memory(memory: NonNull<u8>) -> usize {
    match ARENA.find(memory) {
        Some(_) => SLOT,
        // SAFETY: as in `release`.
        None => unsafe { memory.sub(PREFIX).cast::<usize>().read() },
    }
}

unsafe extern "C" fn for_malloc(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    allocate(size).map_or(ptr::null_mut(), |memory| memory.as_ptr().cast())
}

unsafe extern "C" fn for_realloc(memory: *mut c_void, size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    let (Some(old), Some(new)) = (NonNull::new(memory.cast::<u8>()), allocate(size)) else {
        return ptr::null_mut(); // AWS-LC never asks to enlarge nothing; if there is no memory, the old one stays
    };
    // SAFETY: AWS-LC passes what it got from here or from its own allocator. Old and new are different memory.
    unsafe {
        ptr::copy_nonoverlapping(old.as_ptr(), new.as_ptr(), size.min(size_of_memory(old)));
        release(old);
    }
    new.as_ptr().cast()
}

unsafe extern "C" fn for_free(memory: *mut c_void, _: *const c_char, _: c_int) {
    if let Some(memory) = NonNull::new(memory.cast()) {
        // SAFETY: AWS-LC passes what it got from here or from its own allocator, once.
        unsafe { release(memory) };
    }
}

/// Let AWS-LC take its memory from here, from now on.
pub fn serve() {
    SERVES.get_or_init(|| {
        // SAFETY: the three do what OPENSSL_malloc, OPENSSL_realloc and OPENSSL_free promise, from any thread. Memory
        // that AWS-LC had before is freed as it would be itself (see PREFIX).
        unsafe { CRYPTO_set_mem_functions(Some(for_malloc), Some(for_realloc), Some(for_free)) == 1 }
    });
}

/// Lock the pages again, in a forked child.
pub fn lock_again() {
    ARENA.lock_again();
}

/// Return why keys are not, or not all, in locked pages; None if they are.
pub fn fault() -> Option<&'static str> {
    if SERVES.get() != Some(&true) {
        return Some("AWS-LC keeps to its own memory");
    }
    // A system that locks nothing says so at the first try.
    match ARENA.take(SLOT) {
        // SAFETY: it was taken just now.
        Some(slot) => unsafe { ARENA.give(slot) },
        None => return Some("the system does not let this process lock more memory (see RLIMIT_MEMLOCK)"),
    };
    ARENA
        .refused
        .load(Ordering::Relaxed)
        .then_some("the system does not let this process lock memory again after a fork")
}

/// Clear the registers in which round keys stand after AES: a signal, or a call that has still to be linked, would write
/// them to the stack.
#[inline]
pub fn clear_registers() {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx") {
        // SAFETY: AVX is there. All vector registers are named as changed by the call that `clobber_abi` describes.
        unsafe { std::arch::asm!("vzeroall", clobber_abi("sysv64"), options(nomem, nostack)) };
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: likewise, for the other 16 registers, which AVX-512 has.
            unsafe {
                std::arch::asm!(
                    "vpxord zmm16, zmm16, zmm16",
                    "vpxord zmm17, zmm17, zmm17",
                    "vpxord zmm18, zmm18, zmm18",
                    "vpxord zmm19, zmm19, zmm19",
                    "vpxord zmm20, zmm20, zmm20",
                    "vpxord zmm21, zmm21, zmm21",
                    "vpxord zmm22, zmm22, zmm22",
                    "vpxord zmm23, zmm23, zmm23",
                    "vpxord zmm24, zmm24, zmm24",
                    "vpxord zmm25, zmm25, zmm25",
                    "vpxord zmm26, zmm26, zmm26",
                    "vpxord zmm27, zmm27, zmm27",
                    "vpxord zmm28, zmm28, zmm28",
                    "vpxord zmm29, zmm29, zmm29",
                    "vpxord zmm30, zmm30, zmm30",
                    "vpxord zmm31, zmm31, zmm31",
                    clobber_abi("sysv64"),
                    options(nomem, nostack),
                );
            }
        }
    }
}

/// Something that holds a key, in memory that is cleared when it is dropped.
pub struct Locked<T>(NonNull<T>);

impl<T> Locked<T> {
    /// Move it there. What moves leaves a copy on the stack, so this is for work in `stack::scrubbed`.
    pub fn new(value: T) -> Self {
        const { assert!(align_of::<T>() <= PREFIX) };
        let Some(memory) = allocate(size_of::<T>()) else {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<T>())
        };
        let place = memory.cast();
        // SAFETY: the memory is as large as T, aligned for it, and nobody else's.
        unsafe { place.write(value) };
        Self(place)
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `new` wrote a T there, which is dropped only with self.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: nobody can use the T any more; its memory came from `allocate`.
        unsafe {
            self.0.drop_in_place();
            release(self.0.cast());
        }
    }
}

// SAFETY: as a Box, it owns its T and shares it only by reference.
unsafe impl<T: Send> Send for Locked<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Locked<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread;

    #[test]
    fn slots_are_aligned_distinct_and_used_again() {
        let arena: Arena<1> = Arena::new();
        let slots: Vec<_> = (0..SLOTS).map(|_| arena.take(SLOT).unwrap()).collect();
        assert!(slots.iter().all(|slot| slot.addr().get() % SLOT == 0));
        assert_eq!(slots.iter().collect::<HashSet<_>>().len(), SLOTS);
        assert!(unsafe { arena.give(slots[7]) });
        assert_eq!(arena.take(1), Some(slots[7]));
    }

    #[test]
    fn a_full_arena_and_a_large_size_give_nothing() {
        let arena: Arena<1> = Arena::new();
        assert_eq!(arena.take(SLOT + 1), None);
        let _all: Vec<_> = (0..SLOTS).map(|_| arena.take(SLOT).unwrap()).collect();
        assert_eq!(arena.take(1), None);
    }

    #[test]
    fn a_slot_is_cleared_when_it_is_given_back() {
        let arena: Arena<1> = Arena::new();
        let slot = arena.take(SLOT).unwrap();
        unsafe {
            slot.write_bytes(0x5A, SLOT);
            assert!(arena.give(slot));
        }
        let again = arena.take(SLOT).unwrap();
        assert_eq!(again, slot);
        assert!(unsafe { slice::from_raw_parts(again.as_ptr(), SLOT) }.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_not_a_slot_is_left_to_others() {
        let arena: Arena<1> = Arena::new();
        arena.take(1).unwrap();
        let mut other = [0u8; 64];
        assert!(!unsafe { arena.give(NonNull::from(&mut other[0])) });
    }

    #[test]
    fn threads_never_share_a_slot() {
        let arena: Arena<4> = Arena::new();
        thread::scope(|scope| {
            for number in 1..=8u8 {
                let arena = &arena;
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        let Some(slot) = arena.take(SLOT) else { continue };
                        unsafe {
                            let bytes = slice::from_raw_parts_mut(slot.as_ptr(), SLOT);
                            assert!(bytes.iter().all(|byte| *byte == 0));
                            bytes.fill(number);
                            thread::yield_now();
                            assert!(bytes.iter().all(|byte| *byte == number));
                            assert!(arena.give(slot));
                        }
                    }
                });
            }
        });
        assert!(arena.chunks.iter().all(|chunk| chunk.used.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn memory_beyond_the_slots_grows_and_shrinks_with_its_content() {
        unsafe {
            let small = for_malloc(100, ptr::null(), 0).cast::<u8>();
            slice::from_raw_parts_mut(small, 100).fill(3);
            let large = for_realloc(small.cast(), 100_000, ptr::null(), 0).cast::<u8>();
            assert!(slice::from_raw_parts(large, 100).iter().all(|byte| *byte == 3));
            slice::from_raw_parts_mut(large, 100_000).fill(4);
            let larger = for_realloc(large.cast(), 200_000, ptr::null(), 0).cast::<u8>();
            assert!(slice::from_raw_parts(larger, 100_000).iter().all(|byte| *byte == 4));
            let less = for_realloc(larger.cast(), 10, ptr::null(), 0).cast::<u8>();
            assert_eq!(slice::from_raw_parts(less, 10), [4; 10]);
            for_free(less.cast(), ptr::null(), 0);
        }
    }

    #[test]
    fn what_is_locked_is_dropped_once_and_its_memory_cleared() {
        let kept = std::sync::Arc::new(());
        let locked = Locked::new((kept.clone(), [0xC3u8; 32]));
        let place = locked.0.cast::<u8>();
        assert_eq!(std::sync::Arc::strong_count(&kept), 2);
        drop(locked);
        assert_eq!(std::sync::Arc::strong_count(&kept), 1);
        if let Some((chunk, offset)) = ARENA.find(place) {
            // Another test may have the slot by now, but then it is not full of this.
            let bytes = unsafe { slice::from_raw_parts(place.as_ptr(), 48) };
            assert!(chunk.used.load(Ordering::Relaxed) & (1 << (offset / SLOT)) != 0 || bytes.iter().all(|b| *b == 0));
        }
    }
}
