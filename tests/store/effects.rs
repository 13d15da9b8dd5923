//! Stories of the outbox.

use std::sync::Arc;

use prova::domain::effect::{Conclusion, Effect, Sent};
use prova::domain::home::Home;
use prova::domain::ids::{CommentId, CommitSha, ThreadKey};
use prova::ports::store::{Changes, EffectEnd, LeasedEffect, Store};

use crate::world::{
    assert_conflict, at, branch, comment, delivery, effect_ends, effects, key, new_effect, queued,
    take_effect, take_job, take_key, task_id, thread,
};

const HERE: fn() -> ThreadKey = || thread(1, 1);

async fn record(store: &dyn Store, name: &str, body: &str, now: i64) {
    let changes = effects(vec![new_effect(name, HERE(), comment(body))]);
    store.commit(&changes, at(now)).await.unwrap();
}

async fn end(store: &dyn Store, effect: &LeasedEffect, end: EffectEnd) {
    end_at(store, effect, end, 50).await;
}

async fn end_at(store: &dyn Store, effect: &LeasedEffect, end: EffectEnd, now: i64) {
    let ended = effect_ends(effect, end);
    store.commit(&ended, at(now)).await.unwrap();
}

fn sent(id: u64) -> EffectEnd {
    EffectEnd::Sent(Sent::Comment(CommentId(id)))
}

fn again(millis: i64) -> EffectEnd {
    EffectEnd::Again(at(millis), "503".to_owned())
}

fn parked() -> EffectEnd {
    EffectEnd::Parked("422".to_owned())
}

pub(crate) async fn effects_of_a_thread_are_sent_in_order(store: Arc<dyn Store>) {
    let three = ["z", "a", "m"].map(|name| new_effect(name, HERE(), comment(name)));
    store.commit(&effects(three.to_vec()), at(1)).await.unwrap();
    for expected in ["z", "a", "m"] {
        let effect = take_effect(&*store, 1).await.unwrap();
        assert_eq!(effect.key, key(expected));
        assert_eq!(effect.effect, comment(expected));
        assert_eq!(effect.thread, HERE());
        assert_eq!(effect.task, Some(task_id(HERE(), 1)));
        assert_eq!((effect.version, effect.attempt), (1, 1));
        assert_eq!((effect.earlier_attempts, &effect.sent), (0, &None));
        assert_eq!(take_effect(&*store, 1).await, None, "one at a time");
        end(&*store, &effect, sent(7)).await;
        let left = store.sent(&effect.key).await.unwrap();
        assert_eq!(left, Some(Sent::Comment(CommentId(7))));
    }
    assert_eq!(take_effect(&*store, 1).await, None);
    assert_eq!(store.sent(&key("unknown")).await.unwrap(), None);
}

pub(crate) async fn threads_do_not_wait_for_each_other(store: Arc<dyn Store>) {
    let all = (1..=3).map(|n| new_effect(&format!("e{n}"), thread(1, n), comment("x")));
    let mut all: Vec<_> = all.collect();
    all.push(new_effect("second", thread(1, 1), comment("x")));
    store.commit(&effects(all), at(1)).await.unwrap();
    let mut taken = Vec::new();
    while let Some(name) = take_key(&*store, 1).await {
        taken.push(name);
    }
    taken.sort();
    assert_eq!(taken, ["e1", "e2", "e3"]);
}

pub(crate) async fn an_effect_put_off_holds_back_its_thread(store: Arc<dyn Store>) {
    record(&*store, "first", "x", 1).await;
    record(&*store, "second", "x", 1).await;
    let first = take_effect(&*store, 1).await.unwrap();
    end(&*store, &first, again(100)).await;
    assert_eq!(take_effect(&*store, 99).await, None);
    let first = take_effect(&*store, 100).await.unwrap();
    assert_eq!((&first.key, first.attempt), (&key("first"), 2));
    end(&*store, &first, sent(1)).await;
    assert_eq!(take_key(&*store, 100).await.as_deref(), Some("second"));
}

pub(crate) async fn a_parked_effect_holds_back_nobody(store: Arc<dyn Store>) {
    record(&*store, "first", "x", 1).await;
    record(&*store, "second", "x", 1).await;
    let first = take_effect(&*store, 1).await.unwrap();
    end(&*store, &first, parked()).await;
    assert_eq!(take_key(&*store, 1).await.as_deref(), Some("second"));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.effects_pending, counts.effects_parked), (1, 1));
    // The same content stays parked, other content is tried.
    record(&*store, "first", "x", 60).await;
    assert_eq!(store.counts().await.unwrap().effects_parked, 1);
    record(&*store, "first", "y", 60).await;
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.effects_pending, counts.effects_parked), (2, 0));
}

pub(crate) async fn the_same_content_changes_nothing(store: Arc<dyn Store>) {
    record(&*store, "e", "x", 1).await;
    record(&*store, "e", "x", 2).await;
    let effect = take_effect(&*store, 3).await.unwrap();
    assert_eq!((effect.version, effect.attempt), (1, 1));
    record(&*store, "e", "x", 4).await;
    end(&*store, &effect, sent(1)).await;
    record(&*store, "e", "x", 5).await;
    assert_eq!(take_effect(&*store, 6).await, None);
}

pub(crate) async fn other_content_replaces_what_was_not_sent(store: Arc<dyn Store>) {
    record(&*store, "status", "one", 1).await;
    record(&*store, "other", "x", 2).await;
    record(&*store, "status", "two", 3).await;
    // What is replaced moves to the end.
    let other = take_effect(&*store, 4).await.unwrap();
    assert_eq!(other.key, key("other"));
    end(&*store, &other, sent(1)).await;
    let status = take_effect(&*store, 4).await.unwrap();
    assert_eq!(status.effect, comment("two"));
    assert_eq!((status.version, status.attempt), (2, 1));
    assert_eq!((status.earlier_attempts, &status.sent), (0, &None));
    end(&*store, &status, sent(2)).await;
    assert_eq!(take_effect(&*store, 5).await, None);
}

pub(crate) async fn other_content_is_sent_anew_with_what_was_left(store: Arc<dyn Store>) {
    record(&*store, "status", "one", 1).await;
    let one = take_effect(&*store, 1).await.unwrap();
    end(&*store, &one, again(2)).await;
    let one = take_effect(&*store, 2).await.unwrap();
    end(&*store, &one, sent(77)).await;
    record(&*store, "status", "two", 60).await;
    let two = take_effect(&*store, 6_000).await.unwrap();
    assert_eq!(two.effect, comment("two"));
    assert_eq!((two.version, two.attempt, two.earlier_attempts), (2, 1, 2));
    assert_eq!(two.sent, Some(Sent::Comment(CommentId(77))));
    end(&*store, &two, parked()).await;
    let left = store.sent(&key("status")).await.unwrap();
    assert_eq!(left, Some(Sent::Comment(CommentId(77))));
}

pub(crate) async fn what_was_said_stands_a_while_before_it_is_edited(store: Arc<dyn Store>) {
    record(&*store, "status", "one", 0).await;
    let one = take_effect(&*store, 0).await.unwrap();
    end_at(&*store, &one, sent(7), 100).await;
    record(&*store, "status", "two", 200).await;
    record(&*store, "status", "three", 4_900).await;
    // Nothing waits for it meanwhile, and it is no later for what comes in.
    record(&*store, "answer", "aside", 5_000).await;
    let aside = take_effect(&*store, 5_000).await.unwrap();
    assert_eq!(aside.effect, comment("aside"));
    end_at(&*store, &aside, sent(8), 5_000).await;
    assert_eq!(take_effect(&*store, 5_099).await, None);
    let three = take_effect(&*store, 5_100).await.unwrap();
    assert_eq!(three.effect, comment("three"));
    end_at(&*store, &three, sent(7), 5_100).await;
    // Long afterwards, what comes within a moment is said at once.
    record(&*store, "status", "four", 60_000).await;
    record(&*store, "status", "five", 60_900).await;
    assert_eq!(take_effect(&*store, 60_999).await, None);
    let five = take_effect(&*store, 61_000).await.unwrap();
    assert_eq!((&five.effect, five.version), (&comment("five"), 5));
}

pub(crate) async fn a_replacement_during_a_lease_keeps_what_was_sent(store: Arc<dyn Store>) {
    record(&*store, "status", "one", 1).await;
    let one = take_effect(&*store, 1).await.unwrap();
    record(&*store, "status", "two", 2).await;
    end(&*store, &one, sent(77)).await;
    let two = take_effect(&*store, 6_000).await.unwrap();
    assert_eq!((&two.effect, two.version), (&comment("two"), 2));
    assert_eq!((two.attempt, two.earlier_attempts), (1, 1));
    assert_eq!(two.sent, Some(Sent::Comment(CommentId(77))));
    // Given up is the old content only.
    record(&*store, "status", "three", 6_001).await;
    end(&*store, &two, parked()).await;
    let three = take_effect(&*store, 7_001).await.unwrap();
    assert_eq!((&three.effect, three.version), (&comment("three"), 3));
    // A wait is kept: it is GitHub that asked for it.
    record(&*store, "status", "four", 7_002).await;
    end(&*store, &three, again(7_500)).await;
    assert_eq!(take_effect(&*store, 7_499).await, None);
    let four = take_effect(&*store, 7_500).await.unwrap();
    assert_eq!((&four.effect, four.earlier_attempts), (&comment("four"), 3));
}

pub(crate) async fn a_replaced_effect_waits_for_the_attempt_that_runs(store: Arc<dyn Store>) {
    record(&*store, "status", "one", 1).await;
    record(&*store, "other", "x", 1).await;
    let one = take_effect(&*store, 1).await.unwrap();
    record(&*store, "status", "two", 2).await;
    assert_eq!(take_effect(&*store, 3).await, None, "one at a time");
    // The sender died: the thread goes on, in order.
    let other = take_effect(&*store, 120_001).await.unwrap();
    assert_eq!(other.key, key("other"));
    end(&*store, &other, sent(1)).await;
    let two = take_effect(&*store, 120_002).await.unwrap();
    assert_eq!((&two.effect, two.earlier_attempts), (&comment("two"), 1));
    assert_conflict(store.commit(&effect_ends(&one, sent(9)), at(120_003)).await);
}

pub(crate) async fn a_replacement_does_not_shorten_a_wait(store: Arc<dyn Store>) {
    record(&*store, "status", "one", 1).await;
    let one = take_effect(&*store, 1).await.unwrap();
    end(&*store, &one, again(100)).await;
    record(&*store, "status", "two", 60).await;
    assert_eq!(take_effect(&*store, 99).await, None);
    assert_eq!(
        take_effect(&*store, 100).await.unwrap().effect,
        comment("two")
    );
}

pub(crate) async fn an_attempt_is_counted_when_its_lease_runs_out(store: Arc<dyn Store>) {
    record(&*store, "e", "x", 0).await;
    let first = take_effect(&*store, 0).await.unwrap();
    assert_eq!(take_effect(&*store, 119_999).await, None);
    let second = take_effect(&*store, 120_000).await.unwrap();
    assert_eq!((second.version, second.attempt), (1, 2));
    assert_conflict(
        store
            .commit(&effect_ends(&first, sent(1)), at(120_001))
            .await,
    );
    assert_eq!(store.sent(&key("e")).await.unwrap(), None);
    end(&*store, &second, sent(2)).await;
    assert_eq!(
        store.sent(&key("e")).await.unwrap(),
        Some(Sent::Comment(CommentId(2)))
    );
}

pub(crate) async fn an_ended_attempt_does_not_end_twice(store: Arc<dyn Store>) {
    record(&*store, "e", "x", 0).await;
    let effect = take_effect(&*store, 0).await.unwrap();
    end(&*store, &effect, again(60)).await;
    assert_conflict(store.commit(&effect_ends(&effect, sent(1)), at(61)).await);
    let mut other_version = take_effect(&*store, 60).await.unwrap();
    other_version.version += 1;
    assert_conflict(
        store
            .commit(&effect_ends(&other_version, sent(1)), at(61))
            .await,
    );
    let unknown = LeasedEffect {
        key: key("unknown"),
        ..effect
    };
    assert_conflict(store.commit(&effect_ends(&unknown, sent(1)), at(61)).await);
}

fn publishing() -> [(&'static str, Effect); 3] {
    let commit = CommitSha::new("c0ffee");
    [
        (
            "branch",
            Effect::Branch {
                branch: branch("prova/1-x"),
                to: commit.clone(),
                from: None,
                home: Home::Own,
            },
        ),
        (
            "pull",
            Effect::Pull {
                head: branch("prova/1-x"),
                base: "main".to_owned(),
                title: "t".to_owned(),
                body: "b".to_owned(),
                draft: true,
                commit: commit.clone(),
            },
        ),
        (
            "check",
            Effect::Check {
                commit,
                conclusion: Conclusion::Success,
                title: "t".to_owned(),
                summary: "s".to_owned(),
                annotations: Vec::new(),
                buttons: Vec::new(),
            },
        ),
    ]
}

fn dropped() -> Changes {
    Changes {
        drop_publishing: Some(task_id(HERE(), 1)),
        ..Changes::default()
    }
}

pub(crate) async fn dropping_leaves_what_does_not_publish(store: Arc<dyn Store>) {
    let mut all: Vec<_> = publishing()
        .map(|(name, effect)| new_effect(name, HERE(), effect))
        .into();
    all.insert(1, new_effect("status", HERE(), comment("working")));
    let other = thread(1, 2);
    let (_, kept) = publishing()[0].clone();
    all.push(new_effect("other", other, kept));
    store.commit(&effects(all), at(1)).await.unwrap();
    // The branch is there already.
    let sent_before = take_effect(&*store, 1).await.unwrap();
    assert_eq!(sent_before.key, key("branch"));
    let there = Sent::Branch(CommitSha::new("c0ffee"));
    end(&*store, &sent_before, EffectEnd::Sent(there.clone())).await;

    // Recorded in the same change, an effect is not dropped.
    let after = Changes {
        effects: vec![
            new_effect("status", HERE(), comment("stopped")),
            new_effect("check-2", HERE(), publishing()[2].1.clone()),
        ],
        ..dropped()
    };
    store.commit(&after, at(60)).await.unwrap();
    let mut left = Vec::new();
    while let Some(effect) = take_effect(&*store, 61).await {
        left.push(effect.key.as_str().to_owned());
        end(&*store, &effect, parked()).await;
    }
    assert_eq!(left, ["other", "status", "check-2"]);
    assert_eq!(store.sent(&key("branch")).await.unwrap(), Some(there));
}

pub(crate) async fn a_dropped_effect_that_was_on_its_way_is_remembered(store: Arc<dyn Store>) {
    let (name, effect) = publishing()[0].clone();
    let new = new_effect(name, HERE(), effect);
    store.commit(&effects(vec![new]), at(1)).await.unwrap();
    record(&*store, "status", "stopped", 1).await;
    let on_its_way = take_effect(&*store, 1).await.unwrap();
    store.commit(&dropped(), at(2)).await.unwrap();
    assert_eq!(take_effect(&*store, 3).await, None, "one at a time");
    let there = Sent::Branch(CommitSha::new("c0ffee"));
    end(&*store, &on_its_way, EffectEnd::Sent(there.clone())).await;
    assert_eq!(store.sent(&key(name)).await.unwrap(), Some(there));
    assert_eq!(take_key(&*store, 4).await.as_deref(), Some("status"));
}

pub(crate) async fn a_dropped_effect_is_recorded_anew(store: Arc<dyn Store>) {
    let (name, effect) = publishing()[1].clone();
    let new = effects(vec![new_effect(name, HERE(), effect)]);
    store.commit(&new, at(1)).await.unwrap();
    let first = take_effect(&*store, 1).await.unwrap();
    end(&*store, &first, again(2)).await;
    store.commit(&dropped(), at(60)).await.unwrap();
    assert_eq!(take_effect(&*store, 61).await, None);
    assert_eq!(store.counts().await.unwrap().effects_pending, 0);
    // The first attempt may have left a pull request.
    store.commit(&new, at(62)).await.unwrap();
    let second = take_effect(&*store, 62).await.unwrap();
    assert_eq!((second.attempt, second.earlier_attempts), (1, 1));
    assert_eq!(second.version, 2);
}

pub(crate) async fn what_is_due_next(store: Arc<dyn Store>) {
    let next = async |now| store.next_due(at(now)).await.unwrap();
    assert_eq!(next(0).await, None);
    store.accept(vec![delivery("d", 1)]).await.unwrap();
    record(&*store, "e", "x", 1).await;
    store
        .commit(&queued(thread(2, 1), at(0)), at(1))
        .await
        .unwrap();
    assert_eq!(next(1).await, None, "all that is due is due now");

    let effect = take_effect(&*store, 1).await.unwrap();
    assert_eq!(next(1).await, Some(at(120_001)));
    take_job(&*store, 1).await.unwrap();
    assert_eq!(next(1).await, Some(at(60_001)));
    store
        .commit(&queued(thread(2, 2), at(700)), at(1))
        .await
        .unwrap();
    assert_eq!(next(1).await, Some(at(700)));
    end(&*store, &effect, again(600)).await;
    assert_eq!(next(1).await, Some(at(600)));
    let id = delivery("d", 1).id;
    store.hold(&id, None, at(500), "later").await.unwrap();
    assert_eq!(next(1).await, Some(at(500)));
    assert_eq!(next(500).await, Some(at(600)));
    assert_eq!(next(700).await, Some(at(60_001)));
    assert_eq!(next(60_001).await, None);
}
