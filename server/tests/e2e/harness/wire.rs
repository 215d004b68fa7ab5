//! HTTP/1.1 as it is on the wire, so that two answers can be compared to the last byte.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back. Two of them are equal when a caller could not tell them apart; the time of day is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// One connection at a time to one server; a new one where the last is gone.
pub(crate) struct Wire {
    addr: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Wire {
    pub(crate) fn new(addr: String) -> Self {
        Self { addr, stream: None }
    }

    /// Connects now, so that the next request goes out at once.
    pub(crate) fn connect(&mut self) -> io::Result<()> {
        self.stream = Some(open(&self.addr)?);
        Ok(())
    }

    /// Sends one request and reads its answer, to the end of a stream too. Never sends twice.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> io::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.addr);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            request += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body.unwrap_or_default();
        let mut stream = match self.stream.take().filter(alive) {
            Some(stream) => stream,
            None => open(&self.addr)?,
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = read(&mut stream)?;
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

fn open(addr: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Whether the other end has not closed: a server that was started again knows nothing of the old connection.
fn alive(stream: &BufReader<TcpStream>) -> bool {
    let socket = stream.get_ref();
    let quiet = |socket: &TcpStream| {
        socket.set_nonblocking(true)?;
        let peeked = socket.peek(&mut [0]);
        socket.set_nonblocking(false)?;
        peeked
    };
    quiet(socket).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn read(stream: &mut impl BufRead) -> io::Result<Answer> {
    let deadline = Instant::now() + PATIENCE;
    let status = line(stream)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no status line"))?;
    let mut answer = Answer { status, headers: Vec::new(), body: String::new() };
    loop {
        let header = line(stream)?;
        let Some((name, value)) = header.split_once(':') else { break };
        answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = Vec::new();
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            // A stream that shows signs of life and nothing else is no answer.
            if Instant::now() > deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            let length = usize::from_str_radix(&line(stream)?, 16).map_err(io::Error::other)?;
            take(stream, length, &mut body)?;
            line(stream)?;
            if length == 0 {
                break;
            }
        }
    } else {
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        take(stream, length, &mut body)?;
    }
    answer.headers.retain(|(name, _)| name != "date");
    answer.body = without_event_ids(&String::from_utf8(body).map_err(io::Error::other)?);
    Ok(answer)
}

/// Ids of events are random, each of the caller's own stream: what is compared here is as long as they are.
fn without_event_ids(body: &str) -> String {
    let lines = body.split_inclusive('\n').map(|line| match line.strip_prefix("id: mcp/") {
        Some(id) => format!("id: mcp/{}", id.replace(|c: char| c.is_ascii_hexdigit(), "x")),
        None => line.to_owned(),
    });
    lines.collect()
}

fn take(stream: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let read = stream.take(length as u64).read_to_end(body)?;
    if read == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// The next line without its end; a connection that ends here is an error.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
