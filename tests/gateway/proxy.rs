//! Tunnels: only to hosts that may be reached, only for TLS that names them, only so much.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prova::adapters::gateway::Bounds;
use prova::domain::traffic::{BlockReason, Traffic};
use prova::ports::gateway::Pass;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::bed::{Bed, Inside, pass};
use crate::network::Network;

const PUBLIC: &str = "93.184.216.34";

/// A server that sends back what it gets, as often as that.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

fn network(server: Option<SocketAddr>) -> Network {
    let names = [
        ("allowed.test", vec![PUBLIC]),
        ("a.wild.test", vec![PUBLIC, "2606:4700::1111"]),
        ("loop.test", vec!["127.0.0.1"]),
        ("meta.test", vec!["169.254.169.254"]),
        ("mixed.test", vec![PUBLIC, "10.0.0.1"]),
        ("mapped.test", vec!["::ffff:127.0.0.1"]),
        ("local.test", vec!["fe80::1"]),
        ("other.test", vec![PUBLIC]),
    ];
    Network {
        names: names
            .into_iter()
            .map(|(name, addresses)| (name.to_owned(), addresses))
            .collect(),
        server,
        ..Network::default()
    }
}

const EGRESS: [&str; 8] = [
    "allowed.test",
    "*.wild.test",
    "loop.test",
    "meta.test",
    "mixed.test",
    "mapped.test",
    "local.test",
    "gone.test",
];

async fn open(server: Option<SocketAddr>) -> (Bed, Inside) {
    // No endpoint is ever called here.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let bed = Bed::new(nowhere, network(server), Bounds::default());
    let inside = bed.open(pass(&EGRESS)).await;
    (bed, inside)
}

/// The first bytes of a TLS connection to `name`.
fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Asks for a tunnel and returns it with the status of the answer.
async fn connect(inside: &Inside, target: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(inside.address).await.unwrap();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    (stream, answer.split(' ').nth(1).unwrap().to_owned())
}

async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
    let _ = read.await.unwrap();
    rest
}

fn blocked(traffic: &Traffic) -> Vec<(&str, BlockReason, u64)> {
    traffic
        .blocked
        .iter()
        .map(|b| (b.place.as_str(), b.reason, b.count))
        .collect()
}

#[tokio::test]
async fn a_tunnel_goes_to_the_address_that_was_looked_at() {
    let (bed, inside) = open(Some(echo().await)).await;
    let (mut stream, status) = connect(&inside, "Allowed.TEST.:443").await;
    assert_eq!(status, "200");
    let hello = hello("allowed.test");
    // In pieces as small as they get.
    for byte in &hello {
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut echoed = vec![0; hello.len()];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, hello);
    stream.write_all(b"and on").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(
        rest(&mut stream).await,
        b"and on",
        "also after one side has ended"
    );
    assert_eq!(
        *bed.network.log.lock().unwrap(),
        ["resolve allowed.test", "connect 93.184.216.34:443"]
    );
    let traffic = inside.door.close().await;
    assert_eq!(
        traffic.reached,
        [("allowed.test".to_owned(), 2 * (hello.len() as u64 + 6))]
    );
    assert_eq!(traffic.blocked, []);
}

#[tokio::test]
async fn nothing_but_tls_for_the_same_host_passes() {
    let (_bed, inside) = open(Some(echo().await)).await;
    let cut = hello("allowed.test");
    for (first, why) in [
        (hello("evil.test"), "another name"),
        (hello("notallowed.test"), "a longer name"),
        (hello("93.184.216.34"), "an address, so no name"),
        (
            b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n".to_vec(),
            "plain HTTP",
        ),
        (b"SSH-2.0-x\r\n".to_vec(), "another protocol"),
        (
            [&[22, 3, 1, 0xff, 0xff][..], &[1; 100_000]].concat(),
            "no end",
        ),
        (vec![22, 3, 1, 0, 0], "an empty record"),
    ] {
        let (mut stream, status) = connect(&inside, "allowed.test:443").await;
        assert_eq!(status, "200");
        // It may be closed before all of it is written.
        let _ = stream.write_all(&first).await;
        let _ = stream.shutdown().await;
        assert_eq!(rest(&mut stream).await, b"", "{why}");
    }
    let (mut stream, _) = connect(&inside, "allowed.test:443").await;
    stream.write_all(&cut[..cut.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, b"");
    let traffic = inside.door.close().await;
    assert_eq!(
        blocked(&traffic),
        [("allowed.test:443", BlockReason::Malformed, 8)]
    );
    assert_eq!(traffic.reached, [], "no byte went out");
}

#[tokio::test]
async fn hosts_off_the_list_and_addresses_in_any_notation_are_refused() {
    use BlockReason::{Literal, Malformed, NotAllowed, Port, Private};
    let (bed, inside) = open(Some(echo().await)).await;
    let table = [
        ("evil.test:443", NotAllowed),
        ("notallowed.test:443", NotAllowed),
        ("allowed.test.evil.test:443", NotAllowed),
        ("wild.test:443", NotAllowed),
        ("notwild.test:443", NotAllowed),
        ("localhost:443", NotAllowed),
        ("allowed.test:22", Port),
        ("allowed.test:3000", Port),
        ("127.0.0.1:443", Literal),
        ("127.1:443", Literal),
        ("2130706433:443", Literal),
        ("0x7f000001:443", Literal),
        ("0177.0.0.1:443", Literal),
        ("93.184.216.34:443", Literal),
        ("[::1]:443", Literal),
        ("[::ffff:127.0.0.1]:443", Literal),
        ("user@allowed.test:443", Malformed),
        ("allowed.test@evil.test:443", Malformed),
        ("allowed.test:0443", Malformed),
        ("allowed.test..:443", Malformed),
        ("loop.test:443", Private),
        ("meta.test:443", Private),
        ("mixed.test:443", Private),
        ("mapped.test:443", Private),
        ("local.test:443", Private),
    ];
    let mut expected: BTreeMap<(&str, &str), ()> = BTreeMap::new();
    for (target, reason) in &table {
        let (_, status) = connect(&inside, target).await;
        assert_eq!(status, "403", "{target}");
        expected.insert((target, name(*reason)), ());
    }
    let (_, status) = connect(&inside, "gone.test:443").await;
    assert_eq!(status, "502", "it has no address");
    let log = bed.network.log.lock().unwrap().join("\n");
    assert!(!log.contains("connect"), "nothing was connected to: {log}");
    let traffic = inside.door.close().await;
    let told: BTreeMap<_, _> = traffic
        .blocked
        .iter()
        .map(|b| ((b.place.as_str(), name(b.reason)), ()))
        .collect();
    assert_eq!(told, expected);
}

fn name(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::NotAllowed => "not allowed",
        BlockReason::Literal => "literal",
        BlockReason::Private => "private",
        BlockReason::Port => "port",
        BlockReason::Malformed => "malformed",
        BlockReason::Bytes => "bytes",
        BlockReason::Model => "model",
    }
}

#[tokio::test]
async fn requests_that_parsers_could_read_in_two_ways_are_refused() {
    let (bed, inside) = open(Some(echo().await)).await;
    for request in [
        "CONNECT allowed.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n",
        "CONNECT allowed.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        "CONNECT evil.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n",
        "CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:80\r\n\r\n",
        "CONNECT allowed.test\0.evil.test:443 HTTP/1.1\r\n\r\n",
        "CONNECT evil.test\0.allowed.test:443 HTTP/1.1\r\n\r\n",
        "CONNECT allowed.test:443\rX HTTP/1.1\r\n\r\n",
        "CONNECT allowed.test HTTP/1.1\r\n\r\n",
        "CONNECT http://allowed.test:443/ HTTP/1.1\r\n\r\n",
        "CONNECT /models/openai/v1/models HTTP/1.1\r\n\r\n",
        "CONNECT allowed.test:443 allowed.test:443 HTTP/1.1\r\n\r\n",
    ] {
        let request = request.replace("HTTP/1.1\r\n", "HTTP/1.1\r\nConnection: close\r\n");
        let answer = inside.raw(request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.1 400"),
            "{request:?}: {answer}"
        );
    }
    assert_eq!(*bed.network.log.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_moves_so_many_bytes_and_no_more() {
    let (bed, _) = open(Some(echo().await)).await;
    let hello = hello("allowed.test");
    let limited = Pass {
        egress_bytes: hello.len() as u64 * 2 + 2_000,
        ..pass(&EGRESS)
    };
    let inside = bed.open(limited).await;
    let (mut stream, _) = connect(&inside, "allowed.test:443").await;
    stream.write_all(&hello).await.unwrap();
    stream.read_exact(&mut vec![0; hello.len()]).await.unwrap();
    // Both directions count.
    stream.write_all(&[7; 900]).await.unwrap();
    stream.read_exact(&mut [0; 900]).await.unwrap();
    stream.write_all(&[7; 900]).await.unwrap();
    assert_eq!(rest(&mut stream).await, b"");
    let (mut again, _) = connect(&inside, "allowed.test:443").await;
    again.write_all(&hello).await.unwrap();
    assert_eq!(
        rest(&mut again).await,
        b"",
        "another connection does not begin anew"
    );
    let traffic = inside.door.close().await;
    assert_eq!(blocked(&traffic), [("allowed.test", BlockReason::Bytes, 2)]);
    assert!(traffic.reached[0].1 <= hello.len() as u64 * 2 + 2_000);
}

#[tokio::test]
async fn a_tunnel_that_is_silent_or_whose_door_closes_ends() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let bounds = Bounds {
        silence: Duration::from_millis(150),
        head: Duration::from_millis(150),
        ..Bounds::default()
    };
    let bed = Bed::new(nowhere, network(Some(echo().await)), bounds);
    let inside = bed.open(pass(&EGRESS)).await;
    let (mut mute, _) = connect(&inside, "allowed.test:443").await;
    assert_eq!(rest(&mut mute).await, b"", "not a byte came");
    let (mut silent, _) = connect(&inside, "allowed.test:443").await;
    let hello = hello("allowed.test");
    silent.write_all(&hello).await.unwrap();
    assert_eq!(rest(&mut silent).await, hello);

    let (_bed, inside) = open(Some(echo().await)).await;
    let (mut open, _) = connect(&inside, "allowed.test:443").await;
    inside.door.close().await;
    assert_eq!(rest(&mut open).await, b"");
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let bounds = Bounds {
        connections: 2,
        ..Bounds::default()
    };
    let bed = Bed::new(nowhere, network(None), bounds);
    let inside = bed.open(pass(&EGRESS)).await;
    let (first, second) = (
        TcpStream::connect(inside.address).await.unwrap(),
        TcpStream::connect(inside.address).await.unwrap(),
    );
    let third = inside.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut third = Box::pin(third);
    assert!(
        timeout(Duration::from_millis(100), &mut third)
            .await
            .is_err()
    );
    drop(first);
    assert!(third.await.starts_with("HTTP/1.1 404"));
    drop(second);
}
