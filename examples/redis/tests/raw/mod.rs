//! A client that sends what it is told and shows what comes back, byte for byte, in a short notation.
//!
//! `XS_REDIS_PORT=6390 cargo test … -- --test-threads=1` asks a server that is running already, for instance the real one:
//! the tests then say whether they ask for what it does. It is emptied before every test.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server that a test asks.
pub(crate) struct Subject {
    ours: Option<xs_redis::Server>,
    port: u16,
}

impl Subject {
    pub(crate) async fn start() -> Subject {
        if let Ok(port) = std::env::var("XS_REDIS_PORT") {
            let subject = Subject { ours: None, port: port.parse().expect("a port") };
            let mut client = subject.connect().await;
            client.ask("FLUSHALL").await;
            return subject;
        }
        let ours = xs_redis::Server::ephemeral().await.expect("a free port");
        Subject { port: ours.port(), ours: Some(ours) }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.ours.is_some()
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.port).await
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// A connection to a server of this machine.
    pub(crate) async fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Client { stream, input: Vec::new() }
    }

    /// Sends bytes as they are, as far as the server takes them.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Sends words that are separated by spaces, and gives the next thing that comes back.
    pub(crate) async fn ask(&mut self, words: &str) -> String {
        self.send(words).await;
        self.next().await
    }

    /// Asks one thing after the other, and expects these answers.
    pub(crate) async fn expect(&mut self, script: &[(&str, &str)]) {
        for (words, reply) in script {
            assert_eq!(self.ask(words).await, *reply, "{words}");
        }
    }

    /// Sends a request without waiting for anything.
    pub(crate) async fn send(&mut self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        self.send_words(&words).await;
    }

    pub(crate) async fn send_words(&mut self, words: &[&str]) {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(request.as_bytes()).await.expect("the connection stands");
    }

    pub(crate) async fn ask_words(&mut self, words: &[&str]) -> String {
        self.send_words(words).await;
        self.next().await
    }

    /// The next reply or message; `closed` when the server has ended the connection.
    pub(crate) async fn next(&mut self) -> String {
        tokio::time::timeout(Duration::from_secs(5), self.receive()).await.unwrap_or_else(|_| "nothing came".to_owned())
    }

    /// The next line as it comes, with its end; nothing of it is interpreted.
    pub(crate) async fn next_line(&mut self) -> Vec<u8> {
        let read = async {
            loop {
                if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                    return self.input.drain(..end + 2).collect();
                }
                let mut chunk = [0; 4096];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return std::mem::take(&mut self.input),
                    Ok(read) => self.input.extend_from_slice(&chunk[..read]),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("a line")
    }

    /// Whether nothing comes for a while. Rather too short than too long: what does come is then found by `next`.
    pub(crate) async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(60), self.receive()).await.is_err()
    }

    async fn receive(&mut self) -> String {
        loop {
            let mut at = 0;
            if let Some(text) = show(&self.input, &mut at) {
                self.input.drain(..at);
                return text;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return "closed".to_owned(),
                Ok(read) => self.input.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// Turns to version 3 of the protocol.
    pub(crate) async fn hello3(&mut self) {
        assert!(self.ask("HELLO 3").await.starts_with('%'));
    }

    /// The number of this connection.
    pub(crate) async fn id(&mut self) -> u64 {
        self.ask("CLIENT ID").await[1..].parse().expect("a number")
    }
}

/// The value at `at`: `+OK`, `-ERR …`, `:1`, `"bulk"`, `nil`, `[a, b]`, `>[a, b]`, `~[a]`, `%[k, v]`, `,1.5`.
fn show(input: &[u8], at: &mut usize) -> Option<String> {
    let end = input[*at..].windows(2).position(|two| two == b"\r\n")? + *at;
    let line = String::from_utf8_lossy(&input[*at..end]).into_owned();
    *at = end + 2;
    let (kind, rest) = line.split_at(1);
    match kind {
        "$" | "=" => {
            let Ok(len) = rest.parse::<usize>() else { return Some("nil".to_owned()) };
            let bytes = input.get(*at..*at + len)?;
            input.get(*at + len..*at + len + 2)?;
            *at += len + 2;
            Some(format!("\"{}\"", String::from_utf8_lossy(bytes)))
        }
        "*" | ">" | "~" | "%" => {
            let Ok(len) = rest.parse::<usize>() else { return Some("nil".to_owned()) };
            let len = if kind == "%" { 2 * len } else { len };
            let items: Option<Vec<String>> = (0..len).map(|_| show(input, at)).collect();
            Some(format!("{}[{}]", kind.trim_start_matches('*'), items?.join(", ")))
        }
        "_" => Some("nil".to_owned()),
        _ => Some(line),
    }
}
