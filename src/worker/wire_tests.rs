use super::*;
use crate::job::{Dedup, Failure, Payload, Usage};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Notes the largest piece of memory each thread asks for.
struct Noting;

thread_local! {
    static LARGEST_PIECE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST_PIECE.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static NOTING: Noting = Noting;

/// The largest piece of memory that a call asks for.
fn largest_piece<T>(call: impl FnOnce() -> T) -> usize {
    LARGEST_PIECE.set(0);
    let _ = call();
    LARGEST_PIECE.get()
}

/// More than any honest frame of this size needs: 64 entries are room for before the first is read.
const PIECE: usize = 64 * 1024;

fn payloads() -> impl Strategy<Value = Payload> {
    (proptest::option::of(".{0,20}"), proptest::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(content_type, body)| Payload { content_type, body })
}

fn failures() -> impl Strategy<Value = Failure> {
    (".{0,20}", ".{0,40}", proptest::option::of(".{0,80}"), proptest::option::of(payloads()))
        .prop_map(|(error, message, traceback, payload)| Failure { error, message, traceback, payload })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        proptest::option::of(payloads()).prop_map(Outcome::Success),
        failures().prop_map(Outcome::Failure),
        (any::<i64>(), proptest::option::of(payloads()), failures())
            .prop_map(|(delay_us, payload, failure)| Outcome::Retry { delay_us, payload, failure }),
        (".{0,20}", any::<bool>()).prop_map(|(reason, charged)| Outcome::Lost { reason, charged }),
        Just(Outcome::GivenBack),
    ]
}

fn besides() -> impl Strategy<Value = Box<Beside>> {
    let budget =
        (any::<u32>(), any::<i64>()).prop_map(|(most, period_us)| crate::job::Budget { most, period_us });
    let log = (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..99))
        .prop_map(|(dropped, text)| crate::job::Log { dropped, text });
    let keep = proptest::option::of(any::<i64>());
    let queue = proptest::option::of(".{0,20}");
    (proptest::option::of(budget), queue, proptest::option::of(log), keep).prop_map(
        |(budget, queue, log, keep_us)| Box::new(Beside { budget, queue, log, keep_us, ..Beside::default() }),
    )
}

fn new_jobs() -> impl Strategy<Value = NewJob> {
    let errback = (proptest::option::of(any::<i64>()), bare_jobs())
        .prop_map(|(delay_us, job)| crate::job::Errback { delay_us, job });
    (bare_jobs(), proptest::collection::vec(errback, 0..3))
        .prop_map(|(job, errbacks)| NewJob { errbacks, ..job })
}

fn bare_jobs() -> impl Strategy<Value = NewJob> {
    let texts =
        (".{0,20}", payloads(), ".{0,20}", proptest::option::of(".{0,20}"), proptest::option::of(".{0,20}"));
    let dedup = prop_oneof![Just(Dedup::Return), Just(Dedup::Refuse), Just(Dedup::Replace)];
    let times = proptest::collection::vec(proptest::option::of(any::<i64>()), 5);
    (texts, any::<i8>(), dedup, any::<u32>(), times).prop_map(
        |(texts, priority, dedup, max_losses, times)| {
            let (task, payload, queue, dedup_key, alias) = texts;
            NewJob {
                task,
                payload,
                queue,
                priority,
                run_at_us: times[0],
                expires_us: times[1],
                dedup_key,
                dedup,
                dedup_window_us: times[2],
                alias,
                max_losses,
                time_limit_us: times[3],
                soft_time_limit_us: times[4],
                errbacks: Vec::new(),
            }
        },
    )
}

fn ended() -> impl Strategy<Value = Ended> {
    let then = proptest::collection::vec(new_jobs(), 0..3);
    let place = (any::<u32>(), any::<u64>(), any::<i64>(), any::<i64>());
    let usage = proptest::option::of((proptest::option::of(any::<i64>()), any::<i64>(), any::<i64>()));
    let usage = usage.prop_map(|used| used.map(|(cpu_us, peak, resident)| Usage { cpu_us, peak, resident }));
    (place, outcomes(), any::<i64>(), any::<i64>(), usage, then, proptest::option::of(besides())).prop_map(
        |((index, stamp, row, token), outcome, started_us, ended_us, usage, then, beside)| Ended {
            index,
            stamp,
            row: RowId(row),
            token,
            outcome,
            started_us,
            ended_us,
            usage,
            then,
            beside,
        },
    )
}

fn jobs() -> impl Strategy<Value = ClaimedJob> {
    let names = (".{0,40}", ".{0,40}", ".{0,20}", payloads());
    let numbers = (any::<i64>(), any::<i64>(), any::<i8>(), any::<u32>(), any::<u32>(), any::<i64>());
    let limits = (proptest::option::of(any::<i64>()), proptest::option::of(any::<i64>()));
    (names, numbers, limits).prop_map(|((id, task, queue, payload), numbers, limits)| {
        let (row, token, priority, attempt, retries, enqueued_us) = numbers;
        let (time_limit_us, soft_time_limit_us) = limits;
        ClaimedJob {
            row: RowId(row),
            id,
            token,
            task,
            payload,
            queue,
            priority,
            attempt,
            retries,
            time_limit_us,
            soft_time_limit_us,
            enqueued_us,
        }
    })
}

fn inbound(bytes: &[u8]) -> Inbound {
    Inbound { bytes: bytes.to_vec(), from: 0 }
}

proptest! {
    #[test]
    fn outcomes_come_back_as_they_were_sent(list in proptest::collection::vec(ended(), 0..5)) {
        let mut batch = Batch::outcomes(b"left".to_vec());
        let bare = list.iter().flat_map(|ended| batch.outcome(ended).to_vec()).collect::<Vec<u8>>();
        prop_assert_eq!(&super::outcomes(list.len() as u32, &bare).unwrap(), &list);
        let bytes = batch.close().unwrap();
        let Some(Frame::Outcomes(read)) = inbound(&bytes[4..]).frame().unwrap() else { panic!() };
        prop_assert_eq!(read, list);
    }

    #[test]
    fn jobs_come_back_as_they_were_sent(list in proptest::collection::vec(jobs(), 0..5)) {
        let mut batch = Batch::jobs(Vec::new());
        list.iter().for_each(|job| batch.job(3, 1 << 55, job));
        prop_assert_eq!(batch.count() as usize, list.len());
        let Some(Frame::Jobs(read)) = inbound(&batch.close().unwrap()).frame().unwrap() else { panic!() };
        for (offered, job) in read.iter().zip(&list) {
            prop_assert_eq!((offered.index, offered.stamp), (3, 1 << 55));
            prop_assert_eq!(format!("{:?}", offered.job), format!("{job:?}"));
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(kind in 0_u8..7, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let _ = super::outcomes(u32::from(kind) << 24, &bytes);
        let _ = decode(&[&[kind], &bytes[..]].concat());
    }

    #[test]
    fn a_claimed_length_makes_no_large_allocation(ended in ended(), flip: usize, claim in (1_u32 << 20)..) {
        let mut batch = Batch::outcomes(Vec::new());
        batch.outcome(&ended);
        let mut bytes = batch.close().unwrap();
        // Wherever a length or a count stands, it now says millions.
        let place = 5 + flip % (bytes.len() - 9);
        bytes[place..place + 4].copy_from_slice(&claim.to_le_bytes());
        prop_assert!(largest_piece(|| decode(&bytes[4..])) < PIECE);
        prop_assert!(largest_piece(|| super::outcomes(claim, &bytes[9..])) < PIECE);
        // A frame that says it has two gigabytes is waited for, not made room for.
        bytes[..4].copy_from_slice(&(LARGEST as u32).to_le_bytes());
        prop_assert!(largest_piece(|| inbound(&bytes).frame()) < PIECE);
    }

    #[test]
    fn a_cut_or_bent_frame_is_an_error_and_never_a_panic(ended in ended(), cut: usize, flip: usize, to: u8) {
        let mut batch = Batch::outcomes(Vec::new());
        batch.outcome(&ended);
        let mut bytes = batch.close().unwrap();
        prop_assert!(decode(&bytes[4..4 + cut % (bytes.len() - 4)]).is_err());
        let place = 4 + flip % (bytes.len() - 4);
        bytes[place] = to;
        let _ = decode(&bytes[4..]);
    }
}

#[test]
fn frames_arrive_in_pieces() {
    let mut bytes = hello(VERSION, 7);
    bytes.extend(ready(&["a".to_owned(), "b".to_owned()]));
    bytes.extend(failed("no module named app"));
    let mut inbound = Inbound::default();
    let mut read = Vec::new();
    for byte in bytes {
        inbound.bytes.push(byte);
        while let Some(frame) = inbound.frame().unwrap() {
            read.push(frame);
        }
    }
    assert!(matches!(
        &read[..],
        [Frame::Hello { version: VERSION, pid: 7 }, Frame::Ready(tasks), Frame::Failed(text)] if text == "no module named app" && tasks == &["a", "b"]
    ));
}

#[test]
fn a_length_beyond_reason_is_refused_before_anything_is_allocated() {
    assert!(matches!(inbound(&[255; 8]).frame(), Err(Error::Wire(_))));
}

#[test]
fn control_the_largest_piece_is_seen() {
    assert!(largest_piece(|| Vec::<u8>::with_capacity(1 << 20)) >= 1 << 20);
}
