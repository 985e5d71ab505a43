//! One SMTP conversation (RFC 5321), as a machine without a network: bytes in, answers out.

use smtp_proto::{
    Error, Request,
    request::receiver::{DataReceiver, DummyDataReceiver, RequestReceiver},
};

/// The largest mail that is taken, in bytes.
pub(super) const SIZE_MAX: usize = 10 * 1024 * 1024;
/// The most recipients a mail may have.
const RECIPIENTS_MAX: usize = 100;
/// After so many mistakes we hang up.
const MISTAKES_MAX: u32 = 50;

/// A mail as the conversation delivered it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) raw: Vec<u8>,
}

/// Whether the conversation goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read,
    HangUp,
}

enum State {
    Command,
    Data { receiver: DataReceiver, raw: Vec<u8> },
    TooLarge(DummyDataReceiver),
}

/// One conversation.
pub(super) struct Session {
    requests: RequestReceiver,
    state: State,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
    mistakes: u32,
}

pub(super) const GREETING: &[u8] = b"220 localhost oms mail catcher\r\n";

impl Session {
    pub(super) fn new() -> Self {
        Self {
            requests: RequestReceiver::default(),
            state: State::Command,
            greeted: false,
            from: None,
            to: Vec::new(),
            mistakes: 0,
        }
    }

    /// Takes `bytes` in, appends the answers to `out` and hands every mail that is complete to `deliver` (before it is
    /// acknowledged).
    pub(super) fn ingest(&mut self, bytes: &[u8], out: &mut Vec<u8>, mut deliver: impl FnMut(Delivery)) -> Next {
        let mut bytes = bytes.iter();
        loop {
            match &mut self.state {
                State::Command => match self.requests.ingest(&mut bytes) {
                    Ok(request) => {
                        let request = request.into_owned();
                        if self.answer(request, out) == Next::HangUp {
                            return Next::HangUp;
                        }
                    }
                    Err(Error::NeedsMoreData { .. }) => return Next::Read,
                    Err(error) => {
                        let (answer, next) = complaint(&error);
                        out.extend_from_slice(answer.as_bytes());
                        self.mistakes += 1;
                        if next == Next::HangUp || self.mistakes > MISTAKES_MAX {
                            return Next::HangUp;
                        }
                    }
                },
                State::Data { receiver, raw } => {
                    let complete = receiver.ingest(&mut bytes, raw);
                    if raw.len() > SIZE_MAX {
                        if complete {
                            self.end_of_data(out, b"552 5.3.4 the mail is too large\r\n");
                        } else {
                            self.state = State::TooLarge(DummyDataReceiver::new_data(receiver));
                        }
                    } else if complete {
                        let raw = std::mem::take(raw);
                        deliver(Delivery {
                            from: self.from.take().unwrap_or_default(),
                            to: std::mem::take(&mut self.to),
                            raw,
                        });
                        self.end_of_data(out, b"250 2.0.0 caught\r\n");
                    } else {
                        return Next::Read;
                    }
                }
                State::TooLarge(receiver) => {
                    if !receiver.ingest(&mut bytes) {
                        return Next::Read;
                    }
                    self.end_of_data(out, b"552 5.3.4 the mail is too large\r\n");
                }
            }
        }
    }

    fn end_of_data(&mut self, out: &mut Vec<u8>, answer: &[u8]) {
        self.state = State::Command;
        self.reset();
        out.extend_from_slice(answer);
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn answer(&mut self, request: Request<String>, out: &mut Vec<u8>) -> Next {
        let mut say = |text: &str| out.extend_from_slice(text.as_bytes());
        match request {
            Request::Ehlo { .. } => {
                (self.greeted, self.from) = (true, None);
                self.to.clear();
                say("250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n");
                say(&format!("250 SIZE {SIZE_MAX}\r\n"));
            }
            Request::Helo { .. } => {
                self.greeted = true;
                self.reset();
                say("250 localhost\r\n");
            }
            Request::Mail { .. } if !self.greeted => say("503 5.5.1 say EHLO first\r\n"),
            Request::Mail { .. } if self.from.is_some() => say("503 5.5.1 one mail at a time\r\n"),
            Request::Mail { from } if from.size > SIZE_MAX => say("552 5.3.4 the mail is too large\r\n"),
            Request::Mail { from } => {
                self.from = Some(from.address);
                say("250 2.1.0 ok\r\n");
            }
            Request::Rcpt { .. } if self.from.is_none() => say("503 5.5.1 say MAIL first\r\n"),
            Request::Rcpt { .. } if self.to.len() >= RECIPIENTS_MAX => say("452 4.5.3 too many recipients\r\n"),
            Request::Rcpt { to } => {
                self.to.push(to.address);
                say("250 2.1.5 ok\r\n");
            }
            Request::Data if self.to.is_empty() => say("503 5.5.1 say RCPT first\r\n"),
            Request::Data => {
                let mut receiver = DataReceiver::new();
                // We stand behind the line end of DATA, so that a dot alone is an empty mail.
                receiver.ingest(&mut b"\r\n".iter(), &mut Vec::new());
                self.state = State::Data { receiver, raw: Vec::new() };
                say("354 go on, end with a dot alone in a line\r\n");
            }
            Request::Rset => {
                self.reset();
                say("250 2.0.0 ok\r\n");
            }
            Request::Noop { .. } => say("250 2.0.0 ok\r\n"),
            Request::Vrfy { .. } => say("252 2.1.5 everybody is welcome here\r\n"),
            Request::Help { .. } => say("214 2.0.0 EHLO MAIL RCPT DATA RSET NOOP QUIT\r\n"),
            Request::Quit => {
                say("221 2.0.0 bye\r\n");
                return Next::HangUp;
            }
            Request::Bdat { .. } | Request::Burl { .. } => {
                // What follows would be content; we could only mistake it for commands.
                say("502 5.5.1 not here\r\n");
                return Next::HangUp;
            }
            Request::Lhlo { .. }
            | Request::Auth { .. }
            | Request::Expn { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. }
            | Request::StartTls => say("502 5.5.1 not here\r\n"),
        }
        Next::Read
    }
}

fn complaint(error: &Error) -> (String, Next) {
    match error {
        Error::UnknownCommand => ("500 5.5.2 unknown command\r\n".to_owned(), Next::Read),
        Error::InvalidSenderAddress => ("553 5.1.7 that is not an address\r\n".to_owned(), Next::Read),
        Error::InvalidRecipientAddress => ("553 5.1.3 that is not an address\r\n".to_owned(), Next::Read),
        Error::SyntaxError { syntax } => (format!("501 5.5.4 syntax: {syntax}\r\n"), Next::Read),
        Error::InvalidParameter { param } => (format!("501 5.5.4 {param} is not right\r\n"), Next::Read),
        Error::UnsupportedParameter { .. } => ("555 5.5.4 unknown parameter\r\n".to_owned(), Next::Read),
        Error::ResponseTooLong | Error::InvalidResponse { .. } | Error::NeedsMoreData { .. } => {
            ("500 5.5.2 the line is too long\r\n".to_owned(), Next::HangUp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speaks `chunks`, and says what was answered (the codes), what was delivered and how it ended.
    fn talk(chunks: &[&[u8]]) -> (Vec<String>, Vec<Delivery>, Next) {
        let (mut session, mut out, mut mails, mut next) = (Session::new(), Vec::new(), Vec::new(), Next::Read);
        for chunk in chunks {
            next = session.ingest(chunk, &mut out, |mail| mails.push(mail));
            if next == Next::HangUp {
                break;
            }
        }
        let out = String::from_utf8(out).unwrap();
        let codes = out.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| line[..3].to_owned()).collect();
        (codes, mails, next)
    }

    const MAIL: &[u8] = b"EHLO x\r\nMAIL FROM:<a@b.co>\r\nRCPT TO:<c@d.co>\r\nRCPT TO:<e@f.co>\r\nDATA\r\n";

    #[test]
    fn a_mail_is_taken_in_one_flight_and_byte_by_byte() {
        let whole = [MAIL, b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"].concat();
        let expected = Delivery {
            from: "a@b.co".to_owned(),
            to: vec!["c@d.co".to_owned(), "e@f.co".to_owned()],
            raw: b"Subject: x\r\n\r\n.dot\r\n".to_vec(),
        };
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        for chunks in [vec![whole.as_slice()], bytes] {
            let (codes, mails, next) = talk(&chunks);
            assert_eq!(codes, ["250", "250", "250", "250", "354", "250", "221"]);
            assert_eq!(
                mails,
                [Delivery { raw: expected.raw.clone(), from: expected.from.clone(), to: expected.to.clone() }]
            );
            assert_eq!(next, Next::HangUp);
        }
    }

    #[test]
    fn order_matters_and_reset_forgets() {
        let (codes, mails, _) = talk(&[
            b"MAIL FROM:<a@b.co>\r\nHELO x\r\nRCPT TO:<a@b.co>\r\nDATA\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nDATA\r\nRSET\r\nRCPT TO:<a@b.co>\r\n",
        ]);
        assert_eq!(codes, ["503", "250", "503", "503", "250", "503", "503", "250", "503"]);
        assert!(mails.is_empty());
    }

    #[test]
    fn mistakes_are_answered() {
        let (codes, _, next) = talk(&[
            b"EHLO x\r\nHELO\r\nWHAT\r\n\r\nMAIL FROM:a@b.co\r\nMAIL FROM:<a@b.co> SIZE=99999999\r\nAUTH PLAIN abc\r\nSTARTTLS\r\nVRFY a\r\nNOOP\r\n",
        ]);
        assert_eq!(next, Next::Read);
        assert_eq!(codes.len(), 10, "{codes:?}");
        assert_eq!((codes[0].as_str(), codes[9].as_str()), ("250", "250"));
        assert!(codes[1..8].iter().all(|code| code.starts_with('5')), "{codes:?}");
    }

    #[test]
    fn nobody_smuggles_a_second_mail() {
        let inner = b"\nMAIL FROM:<x@y.co>\r\nRCPT TO:<x@y.co>\r\nDATA\r\nsmuggled\r\n.\r\n";
        for end in [&b"\n."[..], b"\r\n.", b"\r.", b"\n.\r", b"\n.\n"] {
            let text = [MAIL, b"S: x\r\n\r\nbody", end, inner].concat();
            let (_, mails, _) = talk(&[&text]);
            assert_eq!(mails.len(), 1, "{end:?}");
        }
    }

    #[test]
    fn an_empty_mail_and_one_that_is_too_large() {
        let (codes, mails, _) = talk(&[MAIL, b".\r\n"]);
        assert_eq!((codes.last().unwrap().as_str(), mails.len()), ("250", 1));
        let line = vec![b'x'; 1_000_000];
        let mut chunks: Vec<&[u8]> = vec![MAIL];
        chunks.extend(std::iter::repeat_n(line.as_slice(), 12));
        chunks.extend([&b"\r\n.\r\n"[..], b"NOOP\r\n"]);
        let (codes, mails, next) = talk(&chunks);
        assert_eq!(codes[codes.len() - 2..], ["552", "250"]);
        assert!(mails.is_empty() && next == Next::Read);
    }

    #[test]
    fn nonsense_ends() {
        assert_eq!(talk(&[&[b'x'; 20_000]]).2, Next::HangUp);
        let lines = b"NONSENSE\r\n".repeat(60);
        assert_eq!(talk(&[&lines]).2, Next::HangUp);
        talk(&[&(0..=255).collect::<Vec<u8>>()]);
    }
}
