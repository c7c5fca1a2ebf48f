//! What workers say of themselves.

use super::*;

#[test]
fn a_worker_says_what_it_is_and_says_it_anew() {
    let bench = bench();
    let facts = b"first".to_vec();
    let worker = NewWorker { name: "w".into(), pid: 1, slots: 1, visibility_us: 30_000_000, facts };
    let (quiet, talker) = (bench.join(), bench.store.join(worker).unwrap());
    let said = |id: i64| bench.store.facts().unwrap()[&id].said.clone();
    assert_eq!((said(quiet), said(talker)), (Vec::new(), b"first".to_vec()));
    assert!(bench.store.describe(talker, b"second".to_vec()).unwrap());
    assert_eq!((said(quiet), said(talker)), (Vec::new(), b"second".to_vec()));
    assert_eq!(bench.store.facts().unwrap()[&talker].joined_us, bench.env.env().clock.wall_us());
    bench.store.part(talker).unwrap();
    assert!(!bench.store.describe(talker, b"third".to_vec()).unwrap());
    assert!(!bench.store.facts().unwrap().contains_key(&talker));
}
