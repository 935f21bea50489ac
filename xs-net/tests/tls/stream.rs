//! The stream: all bytes, in order, out without a flush, and a cut that can be told from an end.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use xs_net::Transport;
use xs_net::tls::MaybeTls;
use xs_net::transport::write_all;
use xs_proto::Out;

use super::*;

/// Two ends of a TLS connection whose network holds `buffer` bytes in each direction.
async fn pair(buffer: usize) -> (TlsStream<MemoryStream>, TlsStream<MemoryStream>) {
    let authority = Authority::new("ca");
    let timer = Timer::system();
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let acceptor = Acceptor::new(certificates, AcceptorOptions::default(), &timer).unwrap();
    let connector = Connector::new(authority.trust(), ConnectorOptions::default(), &timer).unwrap();
    let (ours, theirs) = MemoryStream::pair(buffer);
    let (client, server) = tokio::join!(connector.connect("a.test", ours), acceptor.accept(theirs));
    (client.unwrap(), server.unwrap())
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[tokio::test]
async fn small_and_large_pieces_of_an_out_arrive_in_order() {
    let (mut client, mut server) = pair(10_000).await;
    let mut out = Out::new();
    let mut all = Vec::new();
    for size in [1, 100, 16 * 1024, 1, 300_000, 20_000, 5] {
        let piece = pattern(size);
        all.extend_from_slice(&piece);
        if size > 10_000 { out.put_bytes(Bytes::from(piece)) } else { out.put_slice(&piece) }
    }
    let writing = async {
        write_all(&mut server, &mut out).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let reading = async {
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let ((), heard) = soon(async { tokio::join!(writing, reading) }).await;
    assert!(heard == all);
    assert_eq!((client.version(), server.server_name()), (Some("TLSv1_3"), Some("a.test")));
}

#[tokio::test]
async fn what_was_written_leaves_without_a_flush_if_somebody_reads() {
    let (mut client, mut server) = pair(1000).await;
    let asked = pattern(30_000);
    let sent = asked.clone();
    // Writes everything, and goes on to read without a flush, as a session does.
    let server_side = tokio::spawn(async move {
        let mut out = Out::new();
        out.put_bytes(sent.into());
        write_all(&mut server, &mut out).await.unwrap();
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        byte[0]
    });
    let mut heard = vec![0; asked.len()];
    soon(client.read_exact(&mut heard)).await.unwrap();
    assert!(heard == asked);
    client.write_all(b"!").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(soon(server_side).await.unwrap(), b'!');
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_noticed() {
    let (_client, mut server) = pair(1000).await;
    let mut out = Out::new();
    out.put_bytes(pattern(1_000_000).into());
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let mut taken = 0;
    while let std::task::Poll::Ready(n) = Pin::new(&mut server).poll_write_out(cx, &mut out) {
        taken += n.unwrap();
    }
    assert!(taken <= 70_000, "{taken} bytes lie encrypted");
    assert_eq!(out.len(), 1_000_000 - taken);
}

#[tokio::test]
async fn what_waits_encrypted_is_not_sent() {
    let (mut client, mut server) = pair(1000).await;
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    // The client takes what is there: at first, what lets it resume the session.
    let take = |client: &mut TlsStream<MemoryStream>, cx: &mut std::task::Context<'_>| {
        let _ = Pin::new(client).poll_read(cx, &mut tokio::io::ReadBuf::new(&mut [0; 100]));
    };
    take(&mut client, cx);
    let before = server.sent().unwrap();
    let mut out = Out::new();
    out.put_bytes(pattern(30_000).into());
    assert!(matches!(Pin::new(&mut server).poll_write_out(cx, &mut out), std::task::Poll::Ready(Ok(30_000))));
    assert_eq!(server.sent().unwrap() - before, 1000, "as much as the network holds");
    take(&mut client, cx);
    assert!(Pin::new(&mut server).poll_flush(cx).is_pending());
    assert_eq!(server.sent().unwrap() - before, 2000);
}

#[tokio::test]
async fn halves_in_two_tasks_do_not_take_each_others_turn() {
    for buffer in [1000, 5000, 40_000] {
        let (client, server) = pair(buffer).await;
        let all = pattern(200_000);
        let mut tasks = Vec::new();
        for stream in [client, server] {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let (sent, expected) = (all.clone(), all.clone());
            tasks.push(tokio::spawn(async move {
                for chunk in sent.chunks(7001) {
                    writer.write_all(chunk).await.unwrap();
                }
                writer.flush().await.unwrap();
                std::future::pending::<()>().await
            }));
            tasks.push(tokio::spawn(async move {
                let mut heard = vec![0; expected.len()];
                reader.read_exact(&mut heard).await.unwrap();
                assert!(heard == expected);
            }));
        }
        for (nth, task) in tasks.into_iter().enumerate() {
            if nth % 2 == 1 {
                soon(task).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_cut_is_no_end() {
    let (mut client, mut server) = pair(10_000).await;
    server.write_all(b"half a ").await.unwrap();
    server.flush().await.unwrap();
    drop(server);
    let mut heard = Vec::new();
    let error = client.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!((heard.as_slice(), error.kind()), (&b"half a "[..], io::ErrorKind::UnexpectedEof));

    let (mut client, mut server) = pair(10_000).await;
    server.shutdown().await.unwrap();
    assert_eq!(client.read_to_end(&mut heard).await.unwrap(), 0);
    // And after one side's end the other may still speak.
    client.write_all(b"bye").await.unwrap();
    client.flush().await.unwrap();
    server.read_exact(&mut [0; 3]).await.unwrap();
}

#[tokio::test]
async fn a_reset_goes_through_to_the_stream_below() {
    let authority = Authority::new("ca");
    let timer = Timer::system();
    let certificates = Certificates::new(vec![authority.identity(&["a.test"])]).unwrap();
    let acceptor = Acceptor::new(certificates, AcceptorOptions::default(), &timer).unwrap();
    let connector = Connector::new(authority.trust(), ConnectorOptions::default(), &timer).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        assert!(stream.descriptor().is_some() && stream.local_end().is_some() && stream.is_write_vectored());
        stream.reset_on_close();
    };
    let client = async {
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect("a.test", tcp).await.unwrap();
        stream.read(&mut [0]).await
    };
    let ((), outcome) = soon(async { tokio::join!(server, client) }).await;
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

/// Whether there is encryption is no business of whoever uses the stream.
#[tokio::test]
async fn a_stream_that_may_be_encrypted_is_used_in_the_same_way() {
    let (client, server) = pair(10_000).await;
    let encrypted = (MaybeTls::Tls(Box::new(client)), MaybeTls::Tls(Box::new(server)));
    let plain = MemoryStream::pair(10_000);
    for ((mut ours, mut theirs), tls) in
        [(encrypted, true), ((MaybeTls::Plain(plain.0), MaybeTls::Plain(plain.1)), false)]
    {
        assert_eq!((ours.is_tls(), ours.as_tcp().is_none()), (tls, true));
        let mut out = Out::new();
        out.put_slice(b"head");
        out.put_bytes(Bytes::from(pattern(50_000)));
        let writing = async {
            write_all(&mut ours, &mut out).await.unwrap();
            ours.write_all(b"tail").await.unwrap();
            ours.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (_, read) = soon(async { tokio::join!(writing, theirs.read_to_end(&mut heard)) }).await;
        read.unwrap();
        assert!(heard == [&b"head"[..], &pattern(50_000), b"tail"].concat());
    }
    // A plain socket stays one for those who can do more with it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let socket = MaybeTls::Plain(socket);
    assert!(socket.as_tcp().is_some() && socket.descriptor().is_some() && socket.local_end().is_some());
}
