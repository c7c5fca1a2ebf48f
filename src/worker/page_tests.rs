use super::super::shown::Shown;
use super::*;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

fn pages() -> (tempfile::TempDir, Page, Page) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("worker-1.page");
    let ours = Page::create(&path, 2, ENTRIES, "boot/ns").unwrap();
    let childs = Page::open(&path).unwrap();
    ours.introduce("prefork", 1, 2, 0);
    ours.show(2, 1, 40, true);
    let shown = Shown {
        pool: "prefork".into(),
        children: 2,
        most: 2,
        busy: 1,
        mean_us: 40,
        frames: true,
        least: 1,
        prefetch: 0,
        turned_us: 0,
        step: 0,
        stopping: false,
    };
    assert_eq!(Page::shown_at(&path), Some(shown));
    (directory, ours, childs)
}

#[test]
fn a_job_is_taken_or_taken_back_and_never_both() {
    let (_directory, ours, childs) = pages();
    let wins = [AtomicU32::new(0), AtomicU32::new(0)];
    for stamp in 1..2_000 {
        ours.offer(1, 7, stamp, RowId(5), 9);
        std::thread::scope(|scope| {
            scope.spawn(|| wins[0].fetch_add(u32::from(childs.take(1, 7, stamp, 1)), SeqCst));
            wins[1].fetch_add(u32::from(ours.retract(1, 7, stamp)), SeqCst);
        });
        assert_eq!(wins[0].load(SeqCst) + wins[1].load(SeqCst), stamp as u32);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_page_or_none(
        mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        children: u32,
    ) {
        let _ = read_evidence(&bytes, 0);
        let head = [&HEADER.to_le_bytes()[..], &children.to_le_bytes(), &ENTRIES.to_le_bytes(), &[0; HEAD_BYTES - 16]].concat();
        bytes.splice(0..0, head);
        let _ = read_evidence(&bytes, 0);
        let whole = length(1, ENTRIES);
        bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
        bytes.resize(whole, 7);
        let _ = read_evidence(&bytes, 0);
    }
}

#[test]
fn what_is_no_page_is_no_evidence_and_nothing_to_wait_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("worker-1.page");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(Page::evidence(&path, "boot"), Evidence::None));
}

#[test]
fn an_old_frame_cannot_take_a_reused_entry() {
    let (_directory, ours, childs) = pages();
    ours.offer(0, 3, 1, RowId(5), 9);
    assert!(ours.retract(0, 3, 1));
    ours.offer(0, 3, 2, RowId(6), 9);
    assert!(!childs.take(0, 3, 1, 100));
    assert!(childs.take(0, 3, 2, 100));
    assert!(!ours.retract(0, 3, 2));
    assert_eq!(ours.look(0, 3, 2), (State::Started, 100));
    assert_eq!(ours.look(0, 3, 1), (State::Free, 0));
    childs.done(0, 3, 1);
    assert_eq!(ours.look(0, 3, 2).0, State::Started);
    childs.done(0, 3, 2);
    assert_eq!(ours.look(0, 3, 2).0, State::Done);
}

#[test]
fn the_evidence_tells_running_from_finished_from_never_started() {
    let (directory, ours, childs) = pages();
    for (index, row) in [(0, 10), (1, 11), (2, 12), (3, 13)] {
        ours.offer(0, index, u64::from(index) + 1, RowId(row), 1);
    }
    childs.take(0, 0, 1, 5);
    childs.take(0, 1, 2, 5);
    childs.done(0, 1, 2);
    ours.retract(0, 2, 3);
    // Row 14: an older attempt ended, the new one was not started. Row 15: the other way about.
    for (index, token) in [(4, 1), (5, 2)] {
        ours.offer(1, index, u64::from(index) + 1, RowId(14), token);
        ours.offer(1, index + 2, u64::from(index) + 3, RowId(15), token);
    }
    childs.take(1, 4, 5, 5);
    childs.done(1, 4, 5);
    childs.take(1, 6, 7, 5);
    childs.done(1, 6, 7);
    childs.take(1, 7, 8, 5);
    let path = directory.path().join("worker-1.page");
    let Evidence::Page(found) = Page::evidence(&path, "boot/other") else { panic!("no evidence") };
    assert_eq!(found, HashMap::from([(RowId(10), true), (RowId(11), false), (RowId(15), true)]));
}

#[test]
fn a_torn_page_is_no_evidence_and_no_page() {
    let (directory, _ours, _childs) = pages();
    let path = directory.path().join("worker-1.page");
    let whole = std::fs::read(&path).unwrap();
    assert!(matches!(Page::evidence(&path, "boot/other"), Evidence::Page(_)));
    assert!(matches!(Page::evidence(&path, "another/ns"), Evidence::None));
    for cut in [0, 4, 20, HEAD_BYTES, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(Page::evidence(&path, "boot/other"), Evidence::None), "cut at {cut}");
    }
    std::fs::write(&path, b"\0").unwrap();
    assert_eq!(Page::shown_at(&path), None);
    assert!(matches!(Page::open(&path), Err(Error::Wire(_))));
    assert!(matches!(Page::evidence(&directory.path().join("none"), "boot"), Evidence::None));
}

#[test]
fn whoever_looks_finds_each_job_its_start_and_the_process_that_has_it() {
    let (directory, ours, childs) = pages();
    let path = directory.path().join("worker-1.page");
    ours.seat(0, 700);
    ours.seat(1, 701);
    ours.offer(0, 0, 1, RowId(10), 3);
    ours.offer(1, 5, 2, RowId(11), 4);
    childs.take(1, 5, 2, 99);
    ours.flag(1, 5, 2, REVOKED);
    let found = Page::seats_at(&path, "boot/other").unwrap();
    assert_eq!(found.children, [700, 701]);
    let seat = |token, state, since_us, child| Seat { token, state, since_us, child };
    let taken = [(RowId(10), seat(3, State::Offered, 0, 0)), (RowId(11), seat(4, State::Started, 99, 1))];
    assert_eq!(found.taken, HashMap::from(taken));
    ours.seat(0, 0);
    assert_eq!(Page::seats_at(&path, "boot/ns").unwrap().processes(), [701]);
    assert_eq!(Page::seats_at(&path, "another/ns"), None);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(Page::seats_at(&path, "boot/ns"), None);
}

#[test]
fn a_page_that_grows_moves_nothing_and_speaks_for_the_new_children_too() {
    let (directory, mut ours, childs) = pages();
    let path = directory.path().join("worker-1.page");
    ours.offer(1, 3, 1, RowId(5), 9);
    assert!(childs.take(1, 3, 1, 77));
    assert!(childs.keep(1, 1, 0, b"outcome"));
    ours.grow(&path, 9).unwrap();
    ours.grow(&path, 4).unwrap();
    let late = Page::open(&path).unwrap();
    assert_eq!((ours.children(), late.children(), childs.children()), (9, 9, 2));
    assert_eq!(ours.look(1, 3, 1), (State::Started, 77));
    ours.offer(8, 0, 2, RowId(6), 9);
    assert!(late.take(8, 0, 2, 78));
    assert_eq!(ours.left(1), (1, b"outcome".to_vec()));
    childs.done(1, 3, 1);
    let Evidence::Page(evidence) = Page::evidence(&path, "boot/ns") else { panic!("no evidence") };
    assert_eq!(evidence, HashMap::from([(RowId(5), false), (RowId(6), true)]));
}
