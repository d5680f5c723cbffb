//! Fetch requests of version 4 on a connection of its own for each partition, each to the broker that leads it:
//! https://kafka.apache.org/protocol#The_Messages_Fetch.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;

const FETCH: i16 = 1;
const VERSION: i16 = 4;
const WAIT_MS: i32 = 500;
const MOST_BYTES: i32 = 4 << 20;
/// Of a response that is read at all.
const BOUND: usize = 64 << 20;

pub struct Connection {
    stream: TcpStream,
    topic: String,
    partition: i32,
    response: Vec<u8>,
}

impl Connection {
    pub fn open(bootstrap: &str, topic: &str, partition: i32) -> Result<Self> {
        let stream = TcpStream::connect(bootstrap)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, topic: topic.to_owned(), partition, response: Vec::new() })
    }

    /// Asks for record batches from `offset` on.
    pub fn ask(&mut self, offset: i64) -> Result<()> {
        let mut request = vec![0; 4];
        let mut put = |bytes: &[u8]| request.extend_from_slice(bytes);
        put(&FETCH.to_be_bytes());
        put(&VERSION.to_be_bytes());
        put(&0_i32.to_be_bytes()); // correlation
        put(&(-1_i16).to_be_bytes()); // no client id
        put(&(-1_i32).to_be_bytes()); // a consumer, no replica
        put(&WAIT_MS.to_be_bytes());
        put(&1_i32.to_be_bytes()); // at least a byte
        put(&MOST_BYTES.to_be_bytes());
        put(&[0]); // read_uncommitted: the topic has no transactions
        put(&1_i32.to_be_bytes());
        put(&(self.topic.len() as i16).to_be_bytes());
        put(self.topic.as_bytes());
        put(&1_i32.to_be_bytes());
        put(&self.partition.to_be_bytes());
        put(&offset.to_be_bytes());
        put(&MOST_BYTES.to_be_bytes());
        let size = request.len() as i32 - 4;
        request[..4].copy_from_slice(&size.to_be_bytes());
        self.stream.write_all(&request)
    }

    /// Waits for the response, into `records`; what was in it is gone. The last batch may be cut off. Returns the
    /// partition's end.
    pub fn receive(&mut self, records: &mut Vec<u8>) -> Result<i64> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = u32::from_be_bytes(size) as usize;
        if size > BOUND {
            return Err(Error::other("a response is longer than was asked for"));
        }
        let mut head = [0; 4 + 4 + 4 + 2];
        self.stream.read_exact(&mut head)?;
        let name = u16::from_be_bytes([head[12], head[13]]) as usize;
        // name, number of partitions, partition, error, high watermark, last stable offset, aborted transactions
        self.response.resize(name + 4 + 4 + 2 + 8 + 8 + 4, 0);
        self.stream.read_exact(&mut self.response)?;
        let error = i16::from_be_bytes([self.response[name + 8], self.response[name + 9]]);
        if error != 0 {
            return Err(Error::other(format!("error {error} for partition {}", self.partition)));
        }
        let end = i64::from_be_bytes(self.response[name + 10..name + 18].try_into().expect("8 bytes"));
        let aborted = i32::from_be_bytes(self.response[name + 26..].try_into().expect("4 bytes"));
        if aborted > 0 {
            return Err(Error::other("the topic has transactions"));
        }
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = i32::from_be_bytes(length).max(0) as usize;
        if head.len() + self.response.len() + 4 + length != size {
            return Err(Error::other("a response is not of version 4"));
        }
        records.resize(length, 0);
        self.stream.read_exact(records)?;
        Ok(end)
    }
}
