//! Answers the conformance harness: reads requests from standard input until it ends.

mod evaluation;

use std::io::{self, Read, Write};

use crucible_ir::conformance::v1::{
    Aspect, DescribeResponse, Request, Response, request, response,
};
use prost::Message;

use crate::evaluation::Evaluator;

fn main() -> io::Result<()> {
    let evaluator = Evaluator::default();
    let mut requests = io::stdin().lock();
    let mut responses = io::stdout().lock();
    while let Some(request) = read_frame(&mut requests)? {
        let answer = answer(&evaluator, &request).unwrap_or_else(response::Response::ExecutorError);
        let response = Response {
            response: Some(answer),
        };
        responses.write_all(&response.encode_length_delimited_to_vec())?;
        responses.flush()?;
    }
    Ok(())
}

fn answer(evaluator: &Evaluator, request: &[u8]) -> Result<response::Response, String> {
    let request = Request::decode(request).map_err(|error| error.to_string())?;
    match request.request {
        Some(request::Request::Describe(_)) => Ok(response::Response::Describe(describe())),
        Some(request::Request::Evaluate(request)) => evaluator
            .evaluate(request)
            .map(response::Response::Evaluate),
        None => Err("a request that is not known here".to_owned()),
    }
}

fn describe() -> DescribeResponse {
    let libraries = [
        "crucible-ir-core",
        "prost",
        "prost-reflect",
        "prost-protovalidate",
    ];
    DescribeResponse {
        implementation: libraries.map(library).join(", "),
        aspects: [
            Aspect::Binary,
            Aspect::Json,
            Aspect::Violations,
            Aspect::Digest,
        ]
        .map(i32::from)
        .to_vec(),
    }
}

/// Returns the name and version of a library, as the lock file has it.
fn library(name: &str) -> String {
    let lock = include_str!("../../../Cargo.lock");
    let version = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next())
        .expect("the lock file has every library");
    format!("{name} {version}")
}

/// Returns the next message of a stream, or nothing at its end.
fn read_frame(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read_exact(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && prefix.is_empty() => {
                return Ok(None);
            }
            read => read?,
        }
        prefix.push(byte[0]);
        if byte[0] < 0x80 {
            break;
        }
    }
    let mut body = vec![0; prost::decode_length_delimiter(&*prefix)?];
    stream.read_exact(&mut body)?;
    Ok(Some(body))
}
