//! One hostile connection: sends bytes from a given loopback address, and reads what the server answers until it closes the
//! connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long anything may take before the test gives up. Nothing is expected to come near it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where attackers come from; the bystander's address is 127.0.0.1.
pub const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

pub struct Attacker(pub TcpStream);

impl Attacker {
    /// Connects from an address, with a small buffer for what it receives.
    pub async fn from(address: [u8; 4], url: &str) -> Self {
        let server: SocketAddr = url.split("//").nth(1).unwrap().parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.bind((address, 0).into()).unwrap();
        let stream = timeout(PATIENCE, socket.connect(server)).await;
        Self(stream.expect("nobody accepts").unwrap())
    }

    pub async fn to(url: &str) -> Self {
        Self::from(ELSEWHERE, url).await
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends what the server takes; it may close the connection before.
    pub async fn send_if_taken(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Everything until the server closes the connection, or resets it.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let ended = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        let _ = ended.expect("the server does not close the connection");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Some of what the server sends; nothing once it has closed or reset the connection.
    pub async fn read_some(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = timeout(PATIENCE, self.0.read(&mut bytes)).await;
        bytes.truncate(read.expect("the server sends nothing").unwrap_or(0));
        bytes
    }
}

/// The head of a POST whose body is declared to have a length.
pub fn post(path: &str, length: u64) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}
