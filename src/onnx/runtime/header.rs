//! What a file that claims to be a shared library says about itself, read from its header before it is loaded.
//!
//! The loader's own messages for a wrong architecture differ between systems and say little; and a shared library
//! that was cut short can end the process with a signal instead of an error when it is loaded.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::error::{Error, Result};

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A shared library for one or more machines, each as `os-arch`.
    Library(Vec<String>),
    /// Something else, in words.
    Other(String),
    /// A shared library whose header promises more bytes than the file has.
    Truncated {
        /// Bytes promised.
        needs: u64,
        /// Bytes in the file.
        has: u64,
    },
}

/// This program's machine, as `os-arch`.
pub(super) fn host() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Checks that a file is a whole shared library for this machine.
pub(super) fn check(path: &Path) -> Result<()> {
    let broken = |reason: String| Error::LibraryBroken { path: path.to_path_buf(), reason };
    let mut file = File::open(path).map_err(|e| broken(format!("it cannot be read: {e}")))?;
    let length = file.metadata().map_err(|e| broken(format!("it cannot be read: {e}")))?;
    if length.is_dir() {
        return Err(Error::NotALibrary { path: path.to_path_buf(), found: "a folder".to_owned() });
    }
    match read(&mut file, length.len()).map_err(|e| broken(format!("it cannot be read: {e}")))? {
        Header::Other(found) => Err(Error::NotALibrary { path: path.to_path_buf(), found }),
        Header::Truncated { needs, has } => {
            Err(broken(format!("it is cut short: {has} bytes of at least {needs}; install it again")))
        }
        Header::Library(machines) if machines.contains(&host()) => Ok(()),
        Header::Library(machines) => Err(Error::WrongArchitecture {
            path: path.to_path_buf(),
            found: machines.join(" and "),
            expected: host(),
        }),
    }
}

/// Reads the header of a file of `length` bytes.
fn read(file: &mut (impl Read + Seek), length: u64) -> std::io::Result<Header> {
    let mut head = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut head)?;
    Ok(match head.as_slice() {
        [] => Header::Other("an empty file".to_owned()),
        [0x7f, b'E', b'L', b'F', ..] => elf(&head, length),
        [b'M', b'Z', ..] => pe(file, &head, length)?,
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => match u32_at(&head, 4, Endian::Little) {
            Some(cpu) => Header::Library(vec![format!("macos-{}", mach_cpu(cpu))]),
            None => Header::Truncated { needs: 32, has: length },
        },
        [0xca, 0xfe, 0xba, 0xbe, ..] => fat(&head, length),
        [b'P', b'K', 3, 4, ..] => Header::Other("a zip archive (a wheel must be unpacked first)".to_owned()),
        text if std::str::from_utf8(&text[..text.len().min(512)]).is_ok() => Header::Other("a text file".to_owned()),
        _ => Header::Other("a file of another kind".to_owned()),
    })
}

#[derive(Clone, Copy)]
enum Endian {
    Little,
    Big,
}

fn u16_at(bytes: &[u8], at: usize, endian: Endian) -> Option<u16> {
    let b: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(match endian {
        Endian::Little => u16::from_le_bytes(b),
        Endian::Big => u16::from_be_bytes(b),
    })
}

fn u32_at(bytes: &[u8], at: usize, endian: Endian) -> Option<u32> {
    let b: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(match endian {
        Endian::Little => u32::from_le_bytes(b),
        Endian::Big => u32::from_be_bytes(b),
    })
}

fn u64_at(bytes: &[u8], at: usize, endian: Endian) -> Option<u64> {
    let b: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(match endian {
        Endian::Little => u64::from_le_bytes(b),
        Endian::Big => u64::from_be_bytes(b),
    })
}

/// ELF: the machine, and where the section table, which linkers write last, ends.
fn elf(head: &[u8], length: u64) -> Header {
    let parsed = || {
        let endian = if *head.get(5)? == 2 { Endian::Big } else { Endian::Little };
        let wide = *head.get(4)? == 2;
        let machine = u16_at(head, 18, endian)?;
        let (offset, size, count) = if wide {
            (u64_at(head, 40, endian)?, u16_at(head, 58, endian)?, u16_at(head, 60, endian)?)
        } else {
            (u64::from(u32_at(head, 32, endian)?), u16_at(head, 46, endian)?, u16_at(head, 48, endian)?)
        };
        Some((machine, wide, offset.saturating_add(u64::from(size) * u64::from(count))))
    };
    let Some((machine, wide, end)) = parsed() else { return Header::Truncated { needs: 64, has: length } };
    if end > length {
        return Header::Truncated { needs: end, has: length };
    }
    let arch = match (machine, wide) {
        (3, _) => "x86".to_owned(),
        (20, _) => "powerpc".to_owned(),
        (21, _) => "powerpc64".to_owned(),
        (22, _) => "s390x".to_owned(),
        (40, _) => "arm".to_owned(),
        (62, true) => "x86_64".to_owned(),
        (62, false) => "x86_64 (32-bit pointers)".to_owned(),
        (183, _) => "aarch64".to_owned(),
        (243, _) => "riscv64".to_owned(),
        (258, _) => "loongarch64".to_owned(),
        (other, _) => format!("ELF machine {other}"),
    };
    // The operating system is not told apart inside the ELF family: a Linux library has no mark of its own.
    let os = if matches!(std::env::consts::OS, "macos" | "windows" | "ios") { "linux" } else { std::env::consts::OS };
    Header::Library(vec![format!("{os}-{arch}")])
}

/// PE: the machine, from the header that the DOS stub points to.
fn pe(file: &mut (impl Read + Seek), head: &[u8], length: u64) -> std::io::Result<Header> {
    let Some(at) = u32_at(head, 0x3c, Endian::Little).map(u64::from) else {
        return Ok(Header::Truncated { needs: 64, has: length });
    };
    if at + 24 > length {
        return Ok(Header::Truncated { needs: at + 24, has: length });
    }
    file.seek(SeekFrom::Start(at))?;
    let mut coff = [0u8; 24];
    file.read_exact(&mut coff)?;
    if &coff[..4] != b"PE\0\0" {
        return Ok(Header::Other("a DOS program".to_owned()));
    }
    let arch = match u16_at(&coff, 4, Endian::Little).unwrap_or(0) {
        0x8664 => "x86_64".to_owned(),
        0xaa64 => "aarch64".to_owned(),
        0x014c => "x86".to_owned(),
        0x01c4 => "arm".to_owned(),
        other => format!("PE machine {other:#06x}"),
    };
    Ok(Header::Library(vec![format!("windows-{arch}")]))
}

/// A Mach-O file for several processors.
fn fat(head: &[u8], length: u64) -> Header {
    let Some(count) = u32_at(head, 4, Endian::Big) else { return Header::Truncated { needs: 8, has: length } };
    // Java's class files share the magic number; their next word is a version far above any number of processors.
    if count == 0 || count > 16 {
        return Header::Other("a file of another kind".to_owned());
    }
    let machines = (0..count as usize)
        .map_while(|i| u32_at(head, 8 + 20 * i, Endian::Big))
        .map(|cpu| format!("macos-{}", mach_cpu(cpu)))
        .collect();
    Header::Library(machines)
}

fn mach_cpu(cpu: u32) -> String {
    match cpu {
        0x0100_0007 => "x86_64".to_owned(),
        0x0100_000c => "aarch64".to_owned(),
        7 => "x86".to_owned(),
        12 => "arm".to_owned(),
        other => format!("Mach-O processor {other:#x}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn header(bytes: &[u8]) -> Header {
        read(&mut Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    fn elf_bytes(machine: u16, section_table: u64, length: usize) -> Vec<u8> {
        let mut b = vec![0u8; length];
        b[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        b[18..20].copy_from_slice(&machine.to_le_bytes());
        b[40..48].copy_from_slice(&section_table.to_le_bytes());
        b[58..60].copy_from_slice(&64u16.to_le_bytes());
        b[60..62].copy_from_slice(&2u16.to_le_bytes());
        b
    }

    #[test]
    fn machines_are_named() {
        assert!(matches!(header(&elf_bytes(62, 128, 256)), Header::Library(m) if m[0].ends_with("-x86_64")));
        assert!(matches!(header(&elf_bytes(183, 128, 256)), Header::Library(m) if m[0].ends_with("-aarch64")));
        assert_eq!(header(&elf_bytes(62, 200, 256)), Header::Truncated { needs: 328, has: 256 });
        assert!(matches!(header(&elf_bytes(62, 128, 256)[..20]), Header::Truncated { .. }));

        let mut mach = vec![0xcf, 0xfa, 0xed, 0xfe];
        mach.extend(0x0100_000cu32.to_le_bytes());
        assert_eq!(header(&mach), Header::Library(vec!["macos-aarch64".into()]));

        let mut dll = vec![0u8; 256];
        dll[..2].copy_from_slice(b"MZ");
        dll[0x3c] = 128;
        dll[128..132].copy_from_slice(b"PE\0\0");
        dll[132..134].copy_from_slice(&0x8664u16.to_le_bytes());
        assert_eq!(header(&dll), Header::Library(vec!["windows-x86_64".into()]));
    }

    #[test]
    fn files_of_other_kinds_are_named() {
        for (bytes, what) in [
            (&b""[..], "an empty file"),
            (b"#!/bin/sh\n", "a text file"),
            (b"PK\x03\x04....", "a zip archive (a wheel must be unpacked first)"),
            (b"\xff\xfe\x00\x01", "a file of another kind"),
            (b"\xca\xfe\xba\xbe\x00\x00\x00\x41", "a file of another kind"),
        ] {
            assert_eq!(header(bytes), Header::Other(what.into()));
        }
    }
}
