//! A crowd of clients that costs little: it shares the machine with what is measured.
//!
//! Every connection has one request that it changes in place and one buffer for answers; all of them live on one thread, whose
//! processor time is reported beside what it measured.

use std::{
    fs, io,
    net::SocketAddr,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Barrier, oneshot},
    task::LocalSet,
};

/// Bigger than most answers, so that one read takes a whole one.
const BUFFER: usize = 16 * 1024;
/// How many wrong answers are kept to be shown.
const SHOWN: usize = 3;

/// What was answered.
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        header(self.head, name)
    }
}

/// What one connection asks.
pub trait Ask: Send + 'static {
    /// The next request, as it travels.
    fn request(&mut self) -> &[u8];
    /// Whether the answer is the right one.
    fn is_right(&mut self, answer: &Answer<'_>) -> bool;
}

/// What a crowd has seen.
#[derive(Default)]
pub struct Crowd {
    /// How long every right answer took in microseconds, sorted.
    pub latencies: Vec<u32>,
    /// 503s with `Retry-After`.
    pub refused: usize,
    /// Anything else, and what the first ones were.
    pub wrong: usize,
    pub shown: Vec<String>,
    pub took: Duration,
    /// Processor time of the crowd itself.
    pub spent: Duration,
}

impl Crowd {
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub fn percentile_ms(&self, percent: usize) -> f64 {
        percentile_ms(&self.latencies, percent)
    }

    /// Its own processor time for each request.
    pub fn own_us(&self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / (self.latencies.len() + self.refused) as f64
    }

    /// The same crowd, unless anything but right answers came.
    pub fn all_right(self) -> Self {
        let (wrong, refused) = (self.wrong, self.refused);
        assert!(wrong == 0 && refused == 0, "{wrong} wrong, {refused} refused, like {:?}", self.shown.first());
        self
    }

    /// This crowd, and what it has seen in another run.
    pub fn add(&mut self, other: Self) {
        self.took += other.took;
        self.spent += other.spent;
        self.take(other);
        self.latencies.sort_unstable();
    }

    fn take(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refused += other.refused;
        self.wrong += other.wrong;
        self.shown.extend(other.shown);
    }
}

/// So many percent of some sorted microseconds are not longer than this.
pub fn percentile_ms(sorted: &[u32], percent: usize) -> f64 {
    assert!(!sorted.is_empty(), "nothing was answered");
    f64::from(sorted[(sorted.len() - 1) * percent / 100]) / 1000.0
}

/// Lets every client ask, one thing after the other, for so long. A broken connection is a panic.
pub async fn crowd<A: Ask>(run: Duration, clients: Vec<(SocketAddr, A)>) -> Crowd {
    let (done, finished) = oneshot::channel();
    let thread = thread::Builder::new().name("crowd".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let before = thread_cpu();
        let mut crowd = LocalSet::new().block_on(&runtime, all(run, clients));
        crowd.spent = thread_cpu() - before;
        crowd.latencies.sort_unstable();
        drop(done.send(crowd));
    });
    let crowd = finished.await.unwrap();
    thread.unwrap().join().unwrap();
    crowd
}

async fn all<A: Ask>(run: Duration, clients: Vec<(SocketAddr, A)>) -> Crowd {
    let ready = Rc::new(Barrier::new(clients.len() + 1));
    let client = |(server, ask)| tokio::task::spawn_local(one(server, ask, Rc::clone(&ready), run));
    let clients: Vec<_> = clients.into_iter().map(client).collect();
    ready.wait().await;
    let began = Instant::now();
    let mut crowd = Crowd::default();
    for client in clients {
        crowd.take(client.await.unwrap());
    }
    crowd.took = began.elapsed();
    crowd
}

async fn one<A: Ask>(server: SocketAddr, mut ask: A, ready: Rc<Barrier>, run: Duration) -> Crowd {
    let mut wire = Wire::connect(server).await.unwrap();
    let mut seen = Crowd::default();
    ready.wait().await;
    let mut asked = Instant::now();
    let until = asked + run;
    while asked < until {
        let answer = wire.exchange(ask.request()).await.unwrap();
        let answered = Instant::now();
        if ask.is_right(&answer) {
            seen.latencies.push(u32::try_from((answered - asked).as_micros()).unwrap_or(u32::MAX));
        } else if answer.status == 503 && answer.header("retry-after").is_some() {
            seen.refused += 1;
        } else {
            seen.wrong += 1;
            if seen.shown.len() < SHOWN {
                seen.shown.push(format!("{} {}", answer.status, String::from_utf8_lossy(answer.body)));
            }
        }
        asked = answered;
    }
    seen
}

/// A connection and the buffer of its answers.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub async fn connect(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER] })
    }

    /// Sends a request and reads its answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let (mut filled, mut head, mut end) = (0, 0, usize::MAX);
        while filled < end {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let from = filled.saturating_sub(3);
            filled += read;
            if head == 0
                && let Some(at) = find(&self.buffer[from..filled], b"\r\n\r\n")
            {
                head = from + at + 4;
                let length = header(&self.buffer[..head], "content-length").ok_or(io::ErrorKind::InvalidData)?;
                end = head + number(length).ok_or(io::ErrorKind::InvalidData)?;
            }
        }
        if filled != end {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (head, body) = self.buffer[..end].split_at(head);
        let status = head.get(9..12).and_then(number).and_then(|status| u16::try_from(status).ok());
        Ok(Answer { status: status.ok_or(io::ErrorKind::InvalidData)?, head, body })
    }
}

/// Where `needle` is; see [`super::needle`] for one that is looked for often.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (is, value) = line.split_at_checked(name.len())?;
        (is.eq_ignore_ascii_case(name.as_bytes()) && value.first() == Some(&b':')).then(|| value[1..].trim_ascii())
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
