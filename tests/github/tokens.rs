//! Who the client says it is: the App's signature and installation tokens.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use prova::adapters::github::{Client, InvalidSettings, Settings};
use prova::domain::ids::{RepoId, ThreadNumber};
use prova::domain::repo::Repo;
use prova::domain::time::Span;
use prova::ports::fault::Class;
use prova::ports::github::{App, Repositories, Threads};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::fake::{APP_ID, Fake, START, Seen, refusal, reply, repo};
use crate::key::key;

const START_SECONDS: i64 = START.as_millis() / 1_000;

/// The claims of a request's signature, which must be the App's.
fn claims(seen: &Seen) -> Value {
    let token = seen
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let key = DecodingKey::from_rsa_pem(key().public_pem.as_bytes()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(token, &key, &validation)
        .unwrap()
        .claims
}

fn open_issue(seen: &Seen) -> Option<crate::fake::Reply> {
    seen.path
        .contains("/issues/")
        .then(|| reply(200, &json!({ "state": "open" })))
}

#[tokio::test]
async fn the_signature_is_dated_back_and_lives_less_than_ten_minutes() {
    let fake = Fake::start(|_| Some(reply(200, &json!({ "id": 4711, "slug": "prova" })))).await;
    fake.client.app().await.unwrap();
    let expected = json!({
        "iat": START_SECONDS - 60, "exp": START_SECONDS + 540, "iss": APP_ID,
    });
    assert_eq!(claims(&fake.seen()[0]), expected);
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_githubs() {
    let fake = Fake::start(|seen| {
        if seen.path != "/app" {
            return None;
        }
        let iat = claims(seen)["iat"].as_i64().unwrap();
        // GitHub is five minutes behind us: what we sign comes from its future.
        if iat > START_SECONDS - 300 {
            let refused = refusal(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued");
            return Some(refused.header("date", "Sat, 21 Nov 2026 01:08:06 GMT"));
        }
        Some(reply(200, &json!({ "id": 4711, "slug": "prova" })))
    })
    .await;
    fake.client.app().await.unwrap();
    fake.client.app().await.unwrap();
    assert_eq!(fake.asked().len(), 3, "the difference is remembered");
}

#[tokio::test]
async fn a_wrong_key_is_said_and_not_tried_for_ever() {
    let fake = Fake::start(|_| {
        let refused = refusal(401, "A JSON web token could not be decoded");
        Some(refused.header("date", "Sat, 21 Nov 2026 01:18:18 GMT"))
    })
    .await;
    let fault = fake.client.app().await.unwrap_err();
    assert_eq!(fault.class, Class::AuthLost);
    assert_eq!(fake.seen().len(), 2);
    let said = fault.to_string();
    assert!(said.contains("could not be decoded"), "{said}");
    assert!(
        said.contains("not, or no longer, a key of App 4711"),
        "{said}"
    );
    assert!(
        said.contains("GitHub's clock is 312 s ahead of this machine's"),
        "{said}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_key_is_refused_at_the_start() {
    let (private, public) = (&key().private_pem, key().public_pem.as_str());
    let cut = &private[..private.len() / 2];
    let truncated = private.replacen("MII", "MIIMII", 1);
    for text in ["", "hunter2", cut, public, truncated.as_str()] {
        let settings = Settings::new(
            "https://api.github.com",
            1,
            SecretString::from(text.to_owned()),
        );
        let clock = std::sync::Arc::clone(&Fake::start(|_| None).await.clock);
        match Client::new(&settings, clock) {
            Err(e @ InvalidSettings::PrivateKey(_)) => {
                assert!(
                    e.to_string()
                        .starts_with("the private key is not an RSA key in PEM: ")
                );
            }
            Err(e) => panic!("{e}"),
            Ok(_) => panic!("{text} passed for a key"),
        }
    }
}

#[tokio::test]
async fn a_token_is_for_one_repository_and_kept_until_shortly_before_its_end() {
    let fake = Fake::start(open_issue).await;
    let here = repo_of(77, 9);
    let read = || fake.client.thread(&here, ThreadNumber(1));
    read().await.unwrap();
    fake.clock.advance(Span::minutes(54));
    read().await.unwrap();
    assert_eq!(fake.mints(), 1);
    fake.clock.advance(Span::minutes(2));
    read().await.unwrap();
    assert_eq!(fake.mints(), 2);
    assert_eq!(
        fake.seen()[0].body,
        json!({
            "repository_ids": [77],
            "permissions": {
                "checks": "write", "contents": "write", "issues": "write",
                "metadata": "read", "pull_requests": "write",
            },
        })
    );

    fake.client
        .thread(&repo_of(78, 9), ThreadNumber(1))
        .await
        .unwrap();
    assert_eq!(fake.mints(), 3, "another repository");
    fake.client
        .thread(&repo_of(77, 10), ThreadNumber(1))
        .await
        .unwrap();
    assert_eq!(fake.mints(), 4, "the App was installed anew");
}

fn repo_of(id: u64, installation: u64) -> Repo {
    Repo {
        id: RepoId(id),
        installation: prova::domain::ids::InstallationId(installation),
        ..repo()
    }
}

#[tokio::test]
async fn a_token_for_fetching_is_good_for_ten_minutes_at_least() {
    let fake = Fake::start(|_| None).await;
    let token = || async { fake.client.fetch_token(&repo()).await.unwrap() };
    assert_eq!(token().await.expose_secret(), "ghs_1");
    fake.clock.advance(Span::minutes(49));
    assert_eq!(token().await.expose_secret(), "ghs_1");
    fake.clock.advance(Span::minutes(2));
    assert_eq!(token().await.expose_secret(), "ghs_2");
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let fake = Fake::start(|seen| match seen.header("authorization").unwrap() {
        "Bearer ghs_1" => Some(refusal(401, "Bad credentials")),
        "Bearer ghs_2" => Some(reply(201, &json!({ "id": 5 }))),
        _ => None,
    })
    .await;
    fake.comment().await.unwrap();
    assert_eq!((fake.mints(), fake.asked().len()), (2, 2));
}

#[tokio::test]
async fn a_token_that_github_has_just_issued_and_refuses_may_be_taken_later() {
    let fake = Fake::start(|seen| (!seen.mints()).then(|| refusal(401, "Bad credentials"))).await;
    let fault = fake.thread().await.unwrap_err();
    assert_eq!(fault.class, Class::Transient);
    assert_eq!((fake.mints(), fake.asked().len()), (2, 2));
}

#[tokio::test]
async fn a_lost_installation_says_what_was_lost() {
    for (status, message, words) in [
        (404, "Not Found", "uninstalled"),
        (
            403,
            "This installation has been suspended",
            "the installation is suspended",
        ),
        (
            422,
            "The permissions requested are not granted to this installation.",
            "app.yml",
        ),
        (
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
            "does not cover this repository",
        ),
    ] {
        let fake = Fake::start(move |_| Some(refusal(status, message))).await;
        let fault = fake.thread().await.unwrap_err();
        assert_eq!(fault.class, Class::AuthLost, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        assert!(
            fault
                .to_string()
                .starts_with("get a token for octo/hello from installation 9: ")
        );
    }
    for (status, class) in [(500, Class::Transient), (418, Class::Permanent)] {
        let fake = Fake::start(move |_| Some(refusal(status, ""))).await;
        let fault = fake.thread().await.unwrap_err();
        assert_eq!(fault.class, class);
    }
}

#[tokio::test]
async fn what_is_forgotten_is_asked_again() {
    let fake = Fake::start(|seen| {
        if seen.path.contains("/contents/") {
            assert_eq!(seen.header("if-none-match"), None);
            let file = json!({ "type": "file", "encoding": "base64", "content": "aGk=" });
            return Some(reply(200, &file).header("etag", "\"1\""));
        }
        None
    })
    .await;
    for _ in 0..2 {
        let file = fake.client.file(&repo(), "a").await.unwrap();
        assert_eq!(file.as_deref(), Some(&b"hi"[..]));
        fake.client.forget(repo().id);
    }
    assert_eq!(fake.mints(), 2);
    fake.client.forget(RepoId(1));
    fake.thread().await.unwrap_err();
    assert_eq!(fake.mints(), 3);
}

#[tokio::test]
async fn no_fault_shows_a_token() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        Some("Bearer opaque.with-any_shape") => Some(refusal(422, "no opaque.with-any_shape here")),
        Some(_) if seen.mints() => {
            let expires = "2026-11-21T02:13:06Z";
            Some(reply(
                201,
                &json!({ "token": "opaque.with-any_shape", "expires_at": expires }),
            ))
        }
        _ => None,
    })
    .await;
    let read = fake.thread().await;
    let expected = "read octo/hello#1: GitHub answered 422: no [redacted] here";
    assert_eq!(read.unwrap_err().to_string(), expected);
}
