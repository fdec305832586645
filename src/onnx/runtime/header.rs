//! What a file that claims to be a shared library says about itself, read from its header before it is loaded.
//!
//! The loader's own messages for a wrong architecture differ between systems and say little; and a shared library
//! that was cut short can end the process with a signal instead of an error when it is loaded.

use std::fs::File;
use std::path::Path;

use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::read::macho::{FatArch, MachOFatFile32, MachOFatFile64};
use object::read::{FileKind, Object as _, ObjectKind, ReadCache, ReadRef};
use object::{Architecture, BinaryFormat};

use crate::onnx::error::{Error, Result};

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Header {
    /// A shared library for one or more machines, each as `os-arch`.
    Library(Vec<String>),
    /// Something else, in words.
    Other(&'static str),
    /// A library or program of which a part is missing, and how that shows.
    Damaged(String),
}

/// This program's machine, as `os-arch`.
pub(super) fn host() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Checks that a file is a whole shared library for this machine.
pub(super) fn check(path: &Path) -> Result<()> {
    let broken = |reason: String| Error::LibraryBroken { path: path.to_path_buf(), reason };
    let file = File::open(path).map_err(|e| broken(format!("it cannot be read: {e}")))?;
    let data = file.metadata().map_err(|e| broken(format!("it cannot be read: {e}")))?;
    if data.is_dir() {
        return Err(Error::NotALibrary { path: path.to_path_buf(), found: "a folder".to_owned() });
    }
    match read(&ReadCache::new(file)) {
        Header::Other(found) => Err(Error::NotALibrary { path: path.to_path_buf(), found: found.to_owned() }),
        Header::Damaged(how) => Err(broken(format!("it is cut short or damaged ({how}); install it again"))),
        Header::Library(machines) if machines.contains(&host()) => Ok(()),
        Header::Library(machines) => Err(Error::WrongArchitecture {
            path: path.to_path_buf(),
            found: machines.join(" and "),
            expected: host(),
        }),
    }
}

/// Reads a file's header.
fn read<'data, R: ReadRef<'data>>(data: R) -> Header {
    let kind = match FileKind::parse(data) {
        Ok(FileKind::MachOFat32) => return fat(MachOFatFile32::parse(data).map(|file| machines(file.arches()))),
        Ok(FileKind::MachOFat64) => return fat(MachOFatFile64::parse(data).map(|file| machines(file.arches()))),
        Ok(kind) => kind,
        Err(_) => return Header::Other(of_another_kind(data)),
    };
    if !matches!(
        kind,
        FileKind::Elf32 | FileKind::Elf64 | FileKind::MachO32 | FileKind::MachO64 | FileKind::Pe32 | FileKind::Pe64
    ) {
        return Header::Other("an object file, which must be linked first");
    }
    let file = match object::File::parse(data) {
        Ok(file) => file,
        Err(error) => return Header::Damaged(error.to_string()),
    };
    let program = match &file {
        object::File::Elf32(file) => names_a_loader(file),
        object::File::Elf64(file) => names_a_loader(file),
        _ => file.kind() == ObjectKind::Executable,
    };
    match file.kind() {
        _ if program => Header::Other("a program"),
        ObjectKind::Executable => Header::Other("a program"),
        ObjectKind::Relocatable => Header::Other("an object file, which must be linked first"),
        ObjectKind::Dynamic => {
            let os = match file.format() {
                BinaryFormat::Pe => "windows",
                BinaryFormat::MachO => "macos",
                // The operating system is not told apart inside the ELF family: a Linux library has no mark of its own.
                _ if matches!(std::env::consts::OS, "macos" | "windows" | "ios") => "linux",
                _ => std::env::consts::OS,
            };
            Header::Library(vec![format!("{os}-{}", name(file.architecture()))])
        }
        _ => Header::Other("a file of another kind"),
    }
}

/// A program at a place of its own choice looks like a library, but says who is to load what it needs.
fn names_a_loader<'data, E: FileHeader, R: ReadRef<'data>>(file: &ElfFile<'data, E, R>) -> bool {
    let endian = file.endian();
    file.elf_program_headers().iter().any(|part| part.p_type(endian) == object::elf::PT_INTERP)
}

/// A Mach-O file for several processors.
fn fat(machines: object::read::Result<Vec<String>>) -> Header {
    match machines {
        // Java's class files share the magic number; their next word is a version far above any number of processors.
        Ok(machines) if (1..=16).contains(&machines.len()) => Header::Library(machines),
        _ => Header::Other("a file of another kind"),
    }
}

fn machines(arches: &[impl FatArch]) -> Vec<String> {
    arches.iter().map(|arch| format!("macos-{}", name(arch.architecture()))).collect()
}

/// As `std::env::consts::ARCH` names it.
fn name(architecture: Architecture) -> String {
    match architecture {
        Architecture::I386 => "x86".to_owned(),
        Architecture::X86_64_X32 => "x86_64 (32-bit pointers)".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// What a file is that is no program of any system.
fn of_another_kind<'data, R: ReadRef<'data>>(data: R) -> &'static str {
    let length = data.len().unwrap_or(0);
    match data.read_bytes_at(0, length.min(512)) {
        Ok([]) => "an empty file",
        Ok([b'P', b'K', 3, 4, ..]) => "a zip archive (a wheel must be unpacked first)",
        Ok(text) if std::str::from_utf8(text).is_ok() => "a text file",
        _ => "a file of another kind",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The header of an ELF file of that kind (3 is a library, 2 a program, 1 an object file), with a section table that
    /// begins at some place.
    fn elf(kind: u8, machine: u16, sections: u64) -> Vec<u8> {
        let mut bytes = vec![0u8; 256];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        bytes[16] = kind;
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[20] = 1;
        bytes[40..48].copy_from_slice(&sections.to_le_bytes());
        bytes[58..60].copy_from_slice(&64u16.to_le_bytes());
        if sections > 0 {
            // Two sections, the second of which holds their names.
            (bytes[60], bytes[62]) = (2, 1);
            if let Some(kind) = bytes.get_mut(sections as usize + 64 + 4) {
                *kind = 3;
            }
        }
        bytes
    }

    #[test]
    fn machines_are_named() {
        assert!(matches!(read(&elf(3, 62, 0)[..]), Header::Library(m) if m[0].ends_with("-x86_64")));
        assert!(matches!(read(&elf(3, 183, 128)[..]), Header::Library(m) if m[0].ends_with("-aarch64")));
        assert!(matches!(read(&elf(3, 62, 200)[..]), Header::Damaged(_)));
        assert!(matches!(read(&elf(3, 62, 0)[..20]), Header::Damaged(_)));

        // Two processors, each of a type, a subtype, a place, a length and an alignment.
        let words = [0xcafe_babe_u32, 2, 0x0100_0007, 3, 64, 0, 0, 0x0100_000c, 0, 64, 0, 0];
        let fat: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(read(&fat[..]), Header::Library(vec!["macos-x86_64".into(), "macos-aarch64".into()]));

        let mut mach: Vec<u8> =
            [0xfeed_facf_u32, 0x0100_000c, 0, 6, 0, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(read(&mach[..]), Header::Library(vec!["macos-aarch64".into()]));
        mach[12] = 2;
        assert_eq!(read(&mach[..]), Header::Other("a program"));
    }

    #[test]
    fn object_files_and_programs_are_no_libraries() {
        assert_eq!(read(&elf(1, 62, 0)[..]), Header::Other("an object file, which must be linked first"));
        assert_eq!(read(&elf(2, 62, 0)[..]), Header::Other("a program"));
        let this = std::env::current_exe().unwrap();
        assert!(matches!(check(&this), Err(Error::NotALibrary { found, .. }) if found == "a program"));

        let folder = tempfile::tempdir().unwrap();
        let (source, output) = (folder.path().join("a.rs"), folder.path().join("a.out"));
        std::fs::write(&source, "pub fn a() {}").unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let compile = |how: [&str; 3]| {
            let mut command = Command::new(&rustc);
            assert!(command.args(how).arg("-o").args([&output, &source]).status().unwrap().success());
            check(&output)
        };
        let error = compile(["--crate-type", "lib", "--emit=obj"]);
        assert!(matches!(&error, Err(Error::NotALibrary { found, .. }) if found.contains("linked")), "{error:?}");
        assert_eq!(compile(["--crate-type", "cdylib", "--emit=link"]), Ok(()));
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
            assert_eq!(read(bytes), Header::Other(what));
        }
    }
}
