//! Why a command stopped: the exit code and the message.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::error::Error;
use crate::onnx::{self, graph};

/// What a command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

/// A command that did not finish, by exit code.
#[derive(Debug)]
pub enum Failure {
    /// 1: the model, configuration, data or output is bad.
    Input(String),
    /// 2: the options are.
    Usage(String),
    /// 3: the runtime or the device is not to be had.
    Runtime(String),
    /// 130: Ctrl-C.
    Interrupted,
}

impl Failure {
    /// Exit 1 with a message.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::Input(message.to_string())
    }

    /// Exit 2 with a message.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// Exit 3 with a message.
    pub fn runtime(message: impl fmt::Display) -> Self {
        Self::Runtime(message.to_string())
    }

    /// A failed read or write of a file: exit 1.
    pub fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::Input(format!("cannot {action} {}: {error}", path.display()))
    }

    /// Says what happened on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let (code, message) = match self {
            Self::Input(message) => (1, message.as_str()),
            Self::Usage(message) => (2, message.as_str()),
            Self::Runtime(message) => (3, message.as_str()),
            Self::Interrupted => (130, "interrupted; nothing half-written is left"),
        };
        // A closed standard error leaves nobody to tell.
        let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("alphabar: {message}\n"));
        ExitCode::from(code)
    }
}

/// The library's errors are about data unless a caller knows better.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::input(error)
    }
}

impl From<onnx::Error> for Failure {
    fn from(error: onnx::Error) -> Self {
        match error.class() {
            onnx::ErrorClass::Usage => Self::usage(error),
            onnx::ErrorClass::Runtime => Self::runtime(error),
            _ => Self::input(error),
        }
    }
}

impl From<graph::Error> for Failure {
    fn from(error: graph::Error) -> Self {
        match error {
            graph::Error::Runtime(error) => error.into(),
            other => Self::input(other),
        }
    }
}

impl From<onnx::SampleError> for Failure {
    fn from(error: onnx::SampleError) -> Self {
        match error {
            onnx::SampleError::Onnx(error) => error.into(),
            onnx::SampleError::Stopped { .. } => Self::Interrupted,
            other => Self::input(other),
        }
    }
}

/// Writes to standard output. A reader who has gone is no failure, and changes no verdict: what remains to be done is done.
pub fn print(text: impl fmt::Display) -> Outcome {
    let mut out = io::stdout().lock();
    let written = io::Write::write_fmt(&mut out, format_args!("{text}")).and_then(|()| io::Write::flush(&mut out));
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::input(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
