use std::time::Duration;

use bytes::Bytes;
use futures::stream::StreamExt as _;

use super::{Fan, WAITING};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn everybody_gets_every_piece_in_order() {
    let (mut fan, takers) = Fan::new(3, PATIENCE);
    let taking = takers.into_iter().map(|taker| {
        tokio::spawn(async move {
            let pieces: Vec<_> = taker.pieces.map(Result::unwrap).collect().await;
            pieces.concat()
        })
    });
    let taking: Vec<_> = taking.collect();
    for number in 0..=255_u8 {
        assert!(fan.send(&Bytes::from(vec![number; 3])).await);
    }
    fan.end(true).await;
    for taken in taking {
        let expected: Vec<u8> = (0..=255).flat_map(|number| [number; 3]).collect();
        assert_eq!(taken.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn one_that_goes_leaves_the_others_their_pieces() {
    let (mut fan, mut takers) = Fan::new(2, PATIENCE);
    drop(takers.pop());
    let other = takers.pop().unwrap();
    let taking = tokio::spawn(other.pieces.map(Result::unwrap).collect::<Vec<_>>());
    for _ in 0..100 {
        assert!(fan.send(&Bytes::from_static(b"piece")).await);
    }
    fan.end(true).await;
    assert_eq!(taking.await.unwrap().len(), 100);
}

#[tokio::test]
async fn without_anybody_nothing_is_sent() {
    let (mut fan, takers) = Fan::new(2, PATIENCE);
    drop(takers);
    assert!(!fan.send(&Bytes::from_static(b"piece")).await);
}

#[tokio::test]
async fn the_slowest_holds_up_the_source_and_not_memory() {
    let (mut fan, mut takers) = Fan::new(2, PATIENCE);
    let mut slow = takers.pop().unwrap();
    let fast = takers.pop().unwrap();
    let fast = tokio::spawn(fast.pieces.count());
    let sending = tokio::spawn(async move {
        for _ in 0..WAITING + 10 {
            fan.send(&Bytes::from_static(b"piece")).await;
        }
        fan.end(true).await;
    });
    let wait = Duration::from_millis(100);
    let mut sending = Box::pin(sending);
    assert!(
        tokio::time::timeout(wait, &mut sending).await.is_err(),
        "it has to wait for the slow one"
    );
    while slow.pieces.next().await.is_some() {}
    sending.await.unwrap();
    assert_eq!(fast.await.unwrap(), WAITING + 10);
}

#[tokio::test]
async fn one_that_takes_nothing_is_given_up() {
    let (mut fan, mut takers) = Fan::new(2, Duration::from_millis(50));
    let stuck = takers.pop().unwrap();
    let good = takers.pop().unwrap();
    let good = tokio::spawn(good.pieces.count());
    for _ in 0..WAITING + 3 {
        assert!(fan.send(&Bytes::from_static(b"piece")).await);
    }
    fan.end(true).await;
    assert!(stuck.stalled.await.is_ok());
    assert_eq!(good.await.unwrap(), WAITING + 3);
}

#[tokio::test]
async fn what_broke_off_is_not_taken_for_whole() {
    let (mut fan, mut takers) = Fan::new(1, PATIENCE);
    fan.send(&Bytes::from_static(b"piece")).await;
    let taker = takers.pop().unwrap();
    let taking = tokio::spawn(taker.pieces.collect::<Vec<_>>());
    fan.end(false).await;
    let pieces = taking.await.unwrap();
    assert!(pieces[0].is_ok() && pieces[1].is_err());
}
