//! Plain HTTP through the proxy: the host that is named is the one that is asked.

use std::net::SocketAddr;

use prova::adapters::gateway::Bounds;
use prova::domain::traffic::BlockReason;

use crate::bed::{Bed, Inside, pass};
use crate::endpoint::{Answer, Server};
use crate::network::Network;

async fn open(server: &Server) -> (Bed, Inside) {
    let network = Network {
        names: [
            ("allowed.test".to_owned(), vec!["93.184.216.34"]),
            ("loop.test".to_owned(), vec!["127.0.0.1"]),
        ]
        .into(),
        server: Some(server.address),
        ..Network::default()
    };
    let bed = Bed::new(
        SocketAddr::from(([127, 0, 0, 1], 9)),
        network,
        Bounds::default(),
    );
    let inside = bed.open(pass(&["allowed.test", "loop.test"])).await;
    (bed, inside)
}

#[tokio::test]
async fn a_package_is_fetched_by_its_whole_url() {
    let server = Server::start(|_| Answer::json("package")).await;
    let (bed, inside) = open(&server).await;
    let answer = inside
        .raw(b"GET http://Allowed.test/pool/a.deb?x=1 HTTP/1.1\r\nHost: allowed.test\r\nProxy-Authorization: mine\r\nX-Hop: 1\r\nConnection: close, x-hop\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("package"),
        "{answer}"
    );
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.uri(), "/pool/a.deb?x=1");
    assert_eq!(asked.headers()["host"], "allowed.test");
    assert!(!asked.headers().contains_key("proxy-authorization"));
    assert!(!asked.headers().contains_key("x-hop"));
    assert_eq!(
        *bed.network.log.lock().unwrap(),
        ["resolve allowed.test", "connect 93.184.216.34:80"]
    );
    let traffic = inside.door.close().await;
    assert_eq!(traffic.reached[0].0, "allowed.test");
    assert!(traffic.reached[0].1 > 7);
}

#[tokio::test]
async fn nothing_else_is_asked_in_plain() {
    let server = Server::start(|_| Answer::json("package")).await;
    let (bed, inside) = open(&server).await;
    for request in [
        "GET http://allowed.test/ HTTP/1.1\r\nHost: evil.test\r\n",
        "GET http://evil.test/ HTTP/1.1\r\nHost: allowed.test\r\n",
        "GET http://allowed.test:443/ HTTP/1.1\r\nHost: allowed.test\r\n",
        "GET https://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n",
        "GET ftp://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n",
        "GET http://user:secret@allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n",
        "GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "GET http://loop.test/ HTTP/1.1\r\nHost: loop.test\r\n",
        "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 1\r\n",
        "PUT http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 0\r\n",
    ] {
        let answer = inside
            .raw(format!("{request}Connection: close\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
    }
    assert_eq!(server.asked().len(), 0);
    assert_eq!(*bed.network.log.lock().unwrap(), ["resolve loop.test"]);
    let traffic = inside.door.close().await;
    let count = |reason| {
        traffic
            .blocked
            .iter()
            .filter(|b| b.reason == reason)
            .count()
    };
    assert_eq!(
        (count(BlockReason::Private), count(BlockReason::Literal)),
        (1, 1)
    );
}
