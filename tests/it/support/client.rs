//! A plain HTTP/1.1 client with one connection that it keeps. It is told about broken connections, not spared them.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Headers of a request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Whether this is the refusal with that status and code, in the form of RFC 9457.
    pub fn is_problem(&self, status: u16, code: &str) -> bool {
        self.status == status
            && self.header("content-type") == Some("application/problem+json")
            && serde_json::from_slice::<Value>(&self.body).is_ok_and(|body| body["code"] == code)
    }
}

/// One client with one connection at a time.
pub struct Client {
    servers: Vec<SocketAddr>,
    at: usize,
    stream: Option<BufReader<TcpStream>>,
    patience: Duration,
}

impl Client {
    /// A client of `servers`; it begins with the one at `first` and goes to the next when a connection breaks.
    pub fn new(servers: &[SocketAddr], first: usize) -> Self {
        Self { servers: servers.to_vec(), at: first, stream: None, patience: PATIENCE }
    }

    /// The same, waiting so long for an answer.
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The server it talks to.
    pub fn server(&self) -> SocketAddr {
        self.servers[self.at % self.servers.len()]
    }

    /// Leaves its server for the next one.
    pub fn turn_away(&mut self) {
        self.stream = None;
        self.at += 1;
    }

    /// Sends a request and reads its answer.
    pub async fn send(&mut self, method: &str, path: &str, headers: Headers<'_>, body: &str) -> io::Result<Answer> {
        let outcome = match timeout(self.patience, self.exchange(method, path, headers, body)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(elapsed.into()),
        };
        if outcome.is_err() {
            self.turn_away();
        }
        outcome
    }

    async fn exchange(&mut self, method: &str, path: &str, headers: Headers<'_>, body: &str) -> io::Result<Answer> {
        let server = self.server();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => empty.insert(BufReader::new(connect(server).await?)),
        };
        stream.write_all(request(server, method, path, headers, body).as_bytes()).await?;
        let answer = read(stream).await?;
        if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = None;
        }
        Ok(answer)
    }
}

/// Opens a connection that sends at once.
pub async fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A request as it travels.
pub fn request(server: SocketAddr, method: &str, path: &str, headers: Headers<'_>, body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let first = line(stream).await?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken(&first))?;
    let mut headers = Vec::new();
    loop {
        let header = line(stream).await?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = usize::from_str_radix(&line(stream).await?, 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await?;
            answer.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(answer);
            }
        }
    }
    let length = answer.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).await?;
    Ok(answer)
}
