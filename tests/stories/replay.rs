//! Deliveries that come many times and in any order, into a server that dies on the way: nothing is
//! done twice, nothing is lost.

use prova::app::dispatch::dispatch_next;
use prova::domain::ids::DeliveryId;
use prova::simulator::webhooks::Delivery;

use crate::harness::{Bot, REPO, World};

/// Numbers that look random, the same for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Threads, and how often each of their four deliveries comes: 10,000 in a whole sweep.
fn size() -> (usize, usize) {
    match std::env::var_os("PROVA_SWEEP") {
        Some(_) => (25, 100),
        None => (3, 25),
    }
}

/// Somebody asks by a label, and two others want to know something.
fn ask(bot: &Bot) -> u64 {
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.alice().comment(REPO, issue, "@prova status").unwrap();
    bot.octo().comment(REPO, issue, "@prova help").unwrap();
    issue
}

#[tokio::test]
async fn a_sweep_of_shuffled_and_doubled_deliveries_does_each_request_once() {
    let (threads, copies) = size();
    let mut bot = World::fixer().start().await;
    let issues: Vec<_> = (0..threads).map(|_| ask(&bot)).collect();
    let distinct = bot.sim.take_deliveries();
    assert_eq!(distinct.len(), threads * 4);
    let mut all: Vec<&Delivery> = Vec::new();
    for _ in 0..copies {
        all.extend(&distinct);
    }
    let seed = 20_261_129;
    let mut dice = Dice(seed);
    dice.shuffle(&mut all);
    for (at, delivery) in all.iter().enumerate() {
        assert_eq!(bot.receive(delivery).await, 202);
        if dice.below(5) == 0 {
            dispatch_next(bot.ctx()).await.unwrap();
        }
        if at % 1_000 == 40 {
            bot.restart().await;
        }
    }
    bot.settle().await;
    let ids: Vec<_> = (distinct.iter())
        .map(|delivery| DeliveryId::new(&delivery.guid))
        .collect();
    let kept = bot.ctx().store.known(&ids).await.unwrap();
    let tasks = bot.tasks().await;
    let (mut doubled, mut lost) = (0, distinct.len() - kept.len());
    for issue in &issues {
        let of_issue = tasks
            .iter()
            .filter(|task| task.id.thread.number.0 == *issue);
        // The status, and an answer to each of the two.
        let seen = [
            of_issue.count(),
            bot.jobs(*issue).await.len(),
            bot.answers(*issue).len(),
        ];
        for (seen, expected) in seen.into_iter().zip([1, 1, 3]) {
            doubled += seen.saturating_sub(expected);
            lost += expected.saturating_sub(seen);
        }
        lost += usize::from(bot.state(*issue).await != "in review");
    }
    let pulls = bot.everything().matches("pull request by").count();
    println!(
        "{} deliveries, {threads} threads, {pulls} pull requests, seed {seed}: {doubled} doubled, {lost} lost",
        all.len()
    );
    assert_eq!((doubled, lost, pulls), (0, 0, threads));
    assert_eq!(bot.branches().len(), threads);
}
