//! Sends and receives HTTP/2 frames over a connection, as far as attacks need it. Header fields are sent as literals; received ones
//! are not decoded.

use super::attacker::Attacker;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_HEADERS: u8 = 4;
pub const END_STREAM: u8 = 1;
const FRAME_BYTES: usize = 16 << 10;

/// A frame that came.
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What every client begins with.
pub fn preface() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// The same for a client that takes so many bytes of each answer, until it says more.
pub fn preface_with_window(bytes: u32) -> Vec<u8> {
    let setting = [&[0, 4][..], &bytes.to_be_bytes()].concat();
    [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat()
}

/// A request's head; its body follows, or nothing with [`END_STREAM`].
pub fn head(stream: u32, flags: u8, method: &str, path: &str, content_type: &str) -> Vec<u8> {
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("content-type", content_type),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0); // a literal whose name is one, too
        for text in [name, value] {
            integer(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let pieces: Vec<_> = block.chunks(FRAME_BYTES).collect();
    let frames = pieces.iter().enumerate().map(|(i, piece)| {
        let (kind, flags) = if i == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
        let last = if i + 1 == pieces.len() { END_HEADERS } else { 0 };
        frame(kind, flags | last, stream, piece)
    });
    frames.collect::<Vec<_>>().concat()
}

/// HPACK's integer with a prefix of 7 bits.
fn integer(number: usize, block: &mut Vec<u8>) {
    if number < 127 {
        return block.push(number as u8);
    }
    block.push(127);
    let mut left = number - 127;
    while left >= 128 {
        block.push((left % 128 + 128) as u8);
        left /= 128;
    }
    block.push(left as u8);
}

/// Frames as they come.
pub struct Frames {
    pub attacker: Attacker,
    bytes: Vec<u8>,
}

impl Frames {
    pub fn of(attacker: Attacker) -> Self {
        Self { attacker, bytes: Vec::new() }
    }

    /// The next frame; `None` where the server has closed the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let [a, b, c, kind, flags, s @ ..] = self.bytes.as_slice() {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if s.len() >= 4 + length {
                    let stream = u32::from_be_bytes([s[0], s[1], s[2], s[3]]);
                    let payload = s[4..4 + length].to_vec();
                    let frame = Frame { kind: *kind, flags: *flags, stream, payload };
                    self.bytes.drain(..9 + length);
                    return Some(frame);
                }
            }
            let more = self.attacker.read_some(64 << 10).await;
            if more.is_empty() {
                return None;
            }
            self.bytes.extend(more);
        }
    }

    /// The next frame of a kind; every other is passed over.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}
