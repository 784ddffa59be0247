//! Log files: cut anywhere, damaged anywhere, opened twice. Whole records come back or an error says where the damage
//! is; wrong records never do.

use cede::storage::{Kind, LogFile, Outline, Record, StorageError, TornTail};
use cede::{AgentId, Chars, Document, Saved, Session};
use cede_tests::random::{Random, seeds};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a seal takes: the head of a record, and an offset.
const SEAL: usize = 9 + 8;

/// A path of its own for each test.
fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("storage-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    let path = folder.join("log.cede");
    drop(fs::remove_file(&path));
    path
}

fn record(kind: Kind, payload: &[u8]) -> Record {
    Record { kind, payload: payload.to_vec() }
}

/// Records of several lengths; payloads that look like records and zeros among them.
fn records() -> Vec<Record> {
    vec![
        record(Kind::Events, b"words stay whole"),
        record(Kind::Undo, b""),
        record(Kind::Events, &[0; 9]),
        record(Kind::Undo, &[1, 0, 0, 0, 0, 7, 7]),
        record(Kind::Saved, b"a text, and a history behind it"),
        record(Kind::Events, b"the last one"),
    ]
}

/// Writes records and gives the bytes and where each record ends; what is synced has a seal behind them, the last end.
fn written(path: &Path, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut opened = LogFile::open(path).expect("a new file");
    assert_eq!((opened.records.len(), opened.torn), (0, None));
    let mut ends = vec![opened.file.size() as usize];
    for record in records {
        opened.file.append(record.kind, &record.payload).expect("room on the disk");
        ends.push(opened.file.size() as usize);
    }
    opened.file.sync().expect("a disk");
    drop(opened);
    let bytes = fs::read(path).expect("the file");
    assert_eq!(bytes.len(), ends[records.len()] + SEAL);
    ends.push(bytes.len());
    (bytes, ends)
}

/// The same as version 2 wrote it, without a seal.
fn written_without_seals(path: &Path, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = written(path, records);
    bytes[7] = 2;
    bytes.truncate(ends[records.len()]);
    ends.pop();
    fs::write(path, &bytes).expect("a file");
    (bytes, ends)
}

#[test]
fn what_was_appended_comes_back() {
    let path = path("append");
    let (_, _) = written(&path, &records());
    let mut opened = LogFile::open(&path).expect("a log");
    assert_eq!((&opened.records, opened.torn), (&records(), None));
    opened.file.append(Kind::Events, b"more").expect("room on the disk");
    drop(opened);
    let all = [records(), vec![record(Kind::Events, b"more")]].concat();
    assert_eq!(LogFile::read(&path).expect("a log"), (all, None));
}

#[test]
fn an_empty_file_is_an_empty_log() {
    let path = path("empty");
    fs::write(&path, b"").expect("a file");
    assert_eq!(LogFile::read(&path).expect("an empty log"), (vec![], None));
    let mut opened = LogFile::open(&path).expect("an empty log");
    assert_eq!((opened.records.len(), opened.torn), (0, None));
    opened.file.append(Kind::Undo, b"first").expect("room on the disk");
    drop(opened);
    assert_eq!(LogFile::read(&path).expect("a log"), (vec![record(Kind::Undo, b"first")], None));
    assert!(matches!(LogFile::read(&path.with_extension("nothing")), Err(StorageError::Io { .. })));
}

/// A writer that is stopped at any byte: what was whole is there, the rest is dropped with a notice, and appending goes
/// on.
#[test]
fn a_file_cut_at_any_byte_keeps_its_whole_records() {
    let path = path("cut");
    let records = records();
    let (bytes, ends) = written(&path, &records);
    // Of one to three bytes nobody can say whose they are.
    for cut in [0].into_iter().chain(4..=bytes.len()) {
        fs::write(&path, &bytes[..cut]).expect("a file");
        let whole = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1).min(records.len());
        let start = ends.iter().copied().filter(|&end| end <= cut).max().unwrap_or(0);
        let (read, torn) = LogFile::read(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(read, records[..whole], "cut at {cut}");
        assert_eq!(
            torn.map(|torn| (torn.offset, torn.dropped)),
            (cut > start).then_some((start as u64, (cut - start) as u64))
        );
        assert_eq!(fs::read(&path).expect("the file"), &bytes[..cut], "reading changes nothing");

        let mut opened = LogFile::open(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!((&opened.records, opened.torn), (&read, torn));
        opened.file.append(Kind::Events, b"after the cut").expect("room on the disk");
        drop(opened);
        let (read, torn) = LogFile::read(&path).expect("a repaired log");
        assert_eq!((read.len(), torn), (whole + 1, None), "cut at {cut}");
        assert_eq!(read[whole], record(Kind::Events, b"after the cut"));
    }
}

/// Blocks that were allocated and never written read as zeros.
#[test]
fn a_tail_of_zeros_is_dropped() {
    let path = path("zeros");
    let records = records();
    let (bytes, ends) = written(&path, &records);
    let bytes = &bytes[..ends[records.len()]];
    for zeros in [1, 8, 9, 10, 4096] {
        // Behind the last record, and in the place of its end.
        let (all, but_one) = (records.len(), records.len() - 1);
        let start = ends[but_one];
        for (kept, whole) in [(bytes.len(), all), (start + 9, but_one), (start + 3, but_one), (start, but_one)] {
            let zeros = if kept == bytes.len() || kept == start { zeros } else { bytes.len() - kept };
            fs::write(&path, [&bytes[..kept], &vec![0; zeros]].concat()).expect("a file");
            let opened = LogFile::open(&path).unwrap_or_else(|error| panic!("{zeros} zeros from {kept}: {error}"));
            assert_eq!(opened.records, records[..whole], "{zeros} zeros from {kept}");
            assert_eq!(opened.torn.map(|torn| torn.offset), Some(ends[whole] as u64));
        }
    }
}

/// Catches files of others that are taken for a log that was just being made, and made one: an empty image of a disk, a letter.
#[test]
fn a_file_without_a_header_is_somebody_elses() {
    let path = path("foreign");
    for bytes in [&[0; 3 << 20][..], &[0; 9], b"C", b"CED", b"CEDElogbook", b"CEDE was here", b"\0\0C"] {
        fs::write(&path, bytes).expect("a file");
        for refused in [LogFile::open(&path).map(drop), LogFile::read(&path).map(drop)] {
            let error = refused.expect_err("not a log").to_string();
            assert!(error.contains("not a history of Cede") || error.contains("version 98"), "{error}");
        }
        assert!(fs::read(&path).expect("the file") == bytes, "a file of {} bytes was changed", bytes.len());
    }
}

#[test]
fn a_header_of_zeros_was_never_written() {
    let path = path("only-zeros");
    for zeros in [1, 8] {
        fs::write(&path, vec![0; zeros]).expect("a file");
        let opened = LogFile::open(&path).unwrap_or_else(|error| panic!("{zeros} zeros: {error}"));
        assert_eq!(opened.torn, Some(TornTail { offset: 0, dropped: zeros as u64 }));
        let mut file = opened.file;
        file.append(Kind::Events, b"first").expect("room on the disk");
        let (read, torn) = LogFile::read(&path).expect("a log");
        assert_eq!((read, torn), (vec![record(Kind::Events, b"first")], None));
    }
}

#[cfg(unix)]
#[test]
fn a_rewrite_through_a_link_replaces_what_it_leads_to_and_stays_private() {
    let (target, link) = (path("target"), path("link"));
    written(&target, &records());
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&target, private).expect("one's own file");
    let mut file = LogFile::open(&link).expect("a log").file;
    file.rewrite(&[record(Kind::Undo, b"all there is")]).expect("room on the disk");
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).expect("the file").permissions());
    assert_eq!(mode(&target) & 0o777, 0o600, "the file became less private");
    assert!(link.symlink_metadata().expect("the link").is_symlink(), "the link was replaced");
    assert_eq!(LogFile::read(&target).expect("a log").0, [record(Kind::Undo, b"all there is")]);
}

/// Every bit of a file flipped: an error that names the record, as a seal says that all of them were on the disk, or a
/// torn seal; never another record. Without seals the last record may be a torn one.
#[test]
fn a_flipped_bit_is_noticed_and_the_file_left_alone() {
    let path = path("flip");
    let records = records();
    for (write, torn_from) in
        [(written as fn(&Path, &[Record]) -> _, records.len()), (written_without_seals, records.len() - 1)]
    {
        drop(fs::remove_file(&path));
        let (bytes, ends): (Vec<u8>, Vec<usize>) = write(&path, &records);
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if at == 7 && (1..=3).contains(&damaged[at]) {
                // Another version that is known: what stands behind it may be whole in that one.
                continue;
            }
            fs::write(&path, &damaged).expect("a file");
            let hit = ends.iter().filter(|&&end| end <= at).count().saturating_sub(1);
            match LogFile::open(&path) {
                Err(StorageError::Foreign { .. }) => assert!(at < 7, "byte {at} is not in the magic"),
                Err(StorageError::Version { found, .. }) => assert_eq!((at, found), (7, bytes[7] ^ 1 << bit)),
                Err(StorageError::Damaged { offset, readable, .. }) => {
                    assert_eq!((offset as usize, readable), (ends[hit], hit), "bit {bit} of byte {at}");
                    assert!(at >= 8);
                }
                Ok(opened) => {
                    assert!(hit >= torn_from, "bit {bit} of byte {at} is in a record that others follow");
                    assert_eq!(opened.records, records[..hit], "bit {bit} of byte {at}");
                    let torn = opened.torn.expect("a notice");
                    assert_eq!((torn.offset as usize, torn.dropped as usize), (ends[hit], bytes.len() - ends[hit]));
                    continue;
                }
                Err(error) => panic!("bit {bit} of byte {at}: {error}"),
            }
            assert_eq!(fs::read(&path).expect("the file"), damaged, "a damaged file was written to");
        }
    }
}

/// Of several records that were appended without a sync a power cut may take one in the middle: what stands behind the
/// last seal was acknowledged to nobody, and what can be read of it up to there is kept.
#[test]
fn a_record_lost_behind_the_last_seal_is_a_torn_end() {
    let path = path("middle");
    let (_, ends) = written(&path, &records());
    let mut opened = LogFile::open(&path).expect("a log");
    for payload in [&b"kept"[..], b"lost", b"behind"] {
        opened.file.append(Kind::Events, payload).expect("room on the disk");
    }
    drop(opened);
    let mut bytes = fs::read(&path).expect("the file");
    let lost = ends[records().len() + 1] + 9 + 4;
    bytes[lost..lost + 9 + 4].fill(0);
    fs::write(&path, &bytes).expect("a file");
    let mut opened = LogFile::open(&path).expect("nothing acknowledged is missing");
    assert_eq!(opened.records, [records(), vec![record(Kind::Events, b"kept")]].concat());
    assert_eq!(opened.torn.map(|torn| torn.offset as usize), Some(lost));
    opened.file.append(Kind::Events, b"next").expect("room on the disk");
    drop(opened);
    assert_eq!(LogFile::read(&path).expect("a log").0.len(), records().len() + 2);
}

/// A file of an earlier version stays one, so that earlier programs read it, until it is rewritten.
#[test]
fn a_file_without_seals_stays_without_until_it_is_rewritten() {
    let path = path("without");
    let (bytes, _) = written_without_seals(&path, &records());
    let mut opened = LogFile::open(&path).expect("a log");
    opened.file.append(Kind::Events, b"more").expect("room on the disk");
    opened.file.sync().expect("a disk");
    assert_eq!(opened.file.size() as usize, bytes.len() + 9 + 4, "a seal in a file of version 2");
    opened.file.rewrite(&records()).expect("room on the disk");
    drop(opened);
    let rewritten = fs::read(&path).expect("the file");
    assert_eq!((rewritten[7], rewritten.len()), (3, bytes.len() + SEAL));
    assert_eq!(LogFile::read(&path).expect("a log"), (records(), None));
}

#[test]
fn random_damage_never_makes_another_record() {
    let path = path("damage");
    let (bytes, _) = written(&path, &records());
    for seed in seeds(2000) {
        let mut random = Random::from_seed(seed);
        let mut damaged = bytes.clone();
        for _ in 0..random.between(1, 4) {
            let at = random.below(damaged.len());
            match random.below(4) {
                0 => damaged[at] = random.bits() as u8,
                1 => damaged.truncate(at.max(1)),
                2 => drop(damaged.drain(at..(at + random.below(12)).min(damaged.len()))),
                _ => damaged.insert(at, random.below(3) as u8),
            }
            if damaged.is_empty() {
                break;
            }
        }
        fs::write(&path, &damaged).expect("a file");
        if let Ok((read, _)) = LogFile::read(&path) {
            // What is cut out whole cannot be noticed; what is there must have been written.
            assert!(read.iter().all(|record| records().contains(record)), "seed {seed}: {read:?}");
        }
    }
}

#[test]
fn a_file_has_one_writer_and_any_readers() {
    let path = path("lock");
    let mut opened = LogFile::open(&path).expect("a new file");
    opened.file.append(Kind::Events, b"one").expect("room on the disk");
    assert!(matches!(LogFile::open(&path), Err(StorageError::Locked { .. })));
    assert_eq!(LogFile::read(&path).expect("a log"), (vec![record(Kind::Events, b"one")], None));
    // The lock goes with a rewritten file too.
    opened.file.rewrite(&[record(Kind::Events, b"all")]).expect("room on the disk");
    assert!(matches!(LogFile::open(&path), Err(StorageError::Locked { .. })));
    drop(opened);
    assert_eq!(LogFile::open(&path).expect("nobody writes").records, [record(Kind::Events, b"all")]);
}

/// What was called durable stood in a file that nobody finds, and a rewrite destroyed the file that had taken its place.
#[test]
fn a_file_that_was_moved_away_is_not_written_to_and_what_took_its_place_is_left_alone() {
    let path = path("displaced");
    let elsewhere = path.with_extension("elsewhere");
    for is_replaced in [false, true] {
        let _ = fs::remove_file(&path);
        let mut opened = LogFile::open(&path).expect("a new file");
        opened.file.append(Kind::Events, b"one").expect("room on the disk");
        opened.file.sync().expect("it is where it was");
        fs::rename(&path, &elsewhere).expect("a name");
        if is_replaced {
            fs::write(&path, b"somebody else's").expect("a file");
        }
        assert!(matches!(opened.file.sync(), Err(StorageError::Displaced { .. })));
        assert!(matches!(opened.file.append(Kind::Events, b"two"), Err(StorageError::Broken { .. })));
        assert!(matches!(opened.file.append(Kind::Events, b"three"), Err(StorageError::Broken { .. })));
        let rewritten = opened.file.rewrite(&[record(Kind::Events, b"all")]);
        assert!(matches!(rewritten, Err(StorageError::Displaced { .. })), "{rewritten:?}");
        assert_eq!(fs::read(&path).ok(), is_replaced.then(|| b"somebody else's".to_vec()));
        let beside = fs::read_dir(path.parent().expect("a folder")).expect("a folder").count();
        assert_eq!(beside, 1 + usize::from(is_replaced), "what was to take the place is left behind");
        drop(opened);
        assert_eq!(LogFile::read(&elsewhere).expect("a log").0.len(), 1, "and what was written is there");
    }
}

/// `cp` writes over a file, and asks for no lock: what was appended to what it had been made the new one unreadable.
#[test]
fn a_file_that_was_written_over_is_left_alone() {
    let (path, other) = (path("written-over"), path("written-over-by"));
    [&path, &other].into_iter().for_each(|path| drop(fs::remove_file(path)));
    let mut opened = LogFile::open(&path).expect("a new file");
    opened.file.append(Kind::Events, b"one").expect("room on the disk");
    opened.file.sync().expect("it is where it was");
    drop(LogFile::open(&other).expect("a new file"));
    fs::copy(&other, &path).expect("room on the disk");
    assert!(matches!(opened.file.append(Kind::Events, b"two"), Err(StorageError::Displaced { .. })));
    assert!(matches!(opened.file.rewrite(&[]), Err(StorageError::Displaced { .. })));
    assert_eq!(fs::read(&path).expect("a file"), fs::read(&other).expect("a file"));
}

/// What a process that was stopped has left beside may be open for somebody who must not read what comes now.
#[cfg(unix)]
#[test]
fn what_was_left_beside_a_private_file_shows_nothing_of_it() {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    let private = fs::Permissions::from_mode(0o600);
    let (log, plain) = (path("left-beside"), path("left-beside.json"));
    let _ = fs::remove_file(&log);
    let mut file = LogFile::open(&log).expect("a new file").file;
    fs::write(&plain, b"former").expect("a file");
    let hidden = format!(".{}.part", plain.file_name().expect("a name").to_string_lossy());
    let beside = [log.with_extension("cede.rewrite"), plain.with_file_name(hidden)];
    let open = beside.map(|path| {
        fs::write(&path, b"half").expect("a file");
        fs::File::open(&path).expect("a file")
    });
    [&log, &plain].into_iter().for_each(|path| fs::set_permissions(path, private.clone()).expect("one's own"));
    file.rewrite(&[record(Kind::Events, b"secret")]).expect("room on the disk");
    cede::storage::replace_file(&plain, b"secret").expect("room on the disk");
    for mut open in open {
        let mut seen = Vec::new();
        open.read_to_end(&mut seen).expect("a file");
        assert_eq!(seen, b"half");
    }
    for path in [&log, &plain] {
        assert_eq!(fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_rewrite_takes_the_place_of_everything_and_appending_goes_on() {
    let path = path("rewrite");
    let (_, _) = written(&path, &records());
    let mut opened = LogFile::open(&path).expect("a log");
    let fewer = [record(Kind::Undo, b"undo"), record(Kind::Events, b"events")];
    opened.file.rewrite(&fewer).expect("room on the disk");
    opened.file.append(Kind::Events, b"next").expect("room on the disk");
    opened.file.sync().expect("a disk");
    let all = [&fewer[..], &[record(Kind::Events, b"next")]].concat();
    assert_eq!(LogFile::read(&path).expect("a log"), (all.clone(), None));
    assert_eq!(opened.file.size(), fs::metadata(&path).expect("the file").len());
    let beside = fs::read_dir(path.parent().expect("a folder")).expect("a folder").count();
    assert_eq!(beside, 1, "the file that took the place is left behind");
    drop(opened);
    assert_eq!(LogFile::open(&path).expect("a log").records, all);
}

/// Catches a rewrite that belongs to whoever made it: others, whose file it was, could not open it any more.
#[cfg(unix)]
#[test]
fn a_rewrite_keeps_owner_group_and_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let path = path("rewrite-owner");
    let (_, _) = written(&path, &records());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("our file");
    if chown(&path, Some(4001), Some(4003)).is_err() {
        cede_tests::tell("skipped: giving files away takes root");
        return;
    }
    LogFile::open(&path).expect("a log").file.rewrite(&[]).expect("room on the disk");
    let metadata = fs::metadata(&path).expect("the file");
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (4001, 4003, 0o640));
}

/// A rewrite that cannot be done leaves the file as it was, and the log goes on.
#[test]
fn a_rewrite_that_fails_changes_nothing() {
    let path = path("rewrite-fails");
    let (bytes, _) = written(&path, &records());
    let mut opened = LogFile::open(&path).expect("a log");
    // A folder in the way of the file that would take the place.
    let beside = path.with_extension("cede.rewrite");
    fs::create_dir_all(&beside).expect("a folder");
    assert!(matches!(opened.file.rewrite(&[]), Err(StorageError::Io { .. })));
    assert_eq!(fs::read(&path).expect("the file"), bytes);
    fs::remove_dir(&beside).expect("the folder");
    opened.file.append(Kind::Undo, b"goes on").expect("room on the disk");
    drop(opened);
    assert_eq!(LogFile::read(&path).expect("a log").0.len(), records().len() + 1);
}

/// The places of the records are found without reading them, in a file that ends with a whole one.
#[test]
fn an_outline_has_every_record_of_a_whole_file() {
    let path = path("outline");
    let (bytes, ends) = written(&path, &records());
    let outline = || Outline::read(&path).expect("a log").expect("a whole file");
    assert!(outline().kinds().eq(records().iter().map(|record| record.kind)));
    for (number, record) in records().iter().enumerate() {
        let mut payload = Vec::new();
        let mut source = outline().into_payload(number).expect("a disk").expect("a record");
        source.read_to_end(&mut payload).expect("a disk");
        assert_eq!(payload, record.payload, "record {number}");
    }
    assert!(outline().into_payload(records().len()).expect("a disk").is_none());
    for end in 0..bytes.len() {
        fs::write(&path, &bytes[..end]).expect("room on the disk");
        let whole = Outline::read(&path).expect("a log").is_some();
        assert_eq!(whole, ends.contains(&end), "the first {end} bytes");
    }
    for (at, wrong) in [(0, b'X'), (7, 4)] {
        let mut other = bytes.clone();
        other[at] = wrong;
        fs::write(&path, &other).expect("room on the disk");
        assert!(matches!(Outline::read(&path), Err(StorageError::Foreign { .. } | StorageError::Version { .. })));
    }
}

/// A file that was rewritten as one saved document goes on live, and its text is read without the rest.
#[test]
fn a_saved_document_in_a_log_goes_on_live() {
    let path = path("saved");
    let mut session = Session::new(AgentId::new(1));
    session.insert(Chars(0), &"words stay whole ".repeat(400)).expect("typing");
    session.take_outgoing().expect("events");
    let mut opened = LogFile::open(&path).expect("a new file");
    opened.file.rewrite(&[record(Kind::Saved, &session.document().save())]).expect("room on the disk");

    let source = Outline::read(&path).expect("a log").and_then(|outline| outline.into_payload(0).expect("a disk"));
    let mut saved = Saved::open(source.expect("a record")).expect("a saved document");
    assert_eq!(saved.text(), session.text());
    // Whoever has it open may read on, whatever becomes of the file of that name.
    opened.file.rewrite(&[record(Kind::Saved, &Document::new().save())]).expect("room on the disk");
    assert_eq!(saved.document().expect("the history").groups(), session.document().groups());

    opened.file.rewrite(&[record(Kind::Saved, &session.document().save())]).expect("room on the disk");
    session.insert(session.caret::<Chars>(), "!").expect("typing");
    opened.file.append(Kind::Events, &session.take_outgoing().expect("events")).expect("room on the disk");
    drop(opened);
    let (records, _) = LogFile::read(&path).expect("a log");
    let mut document = Saved::open(&records[0].payload[..]).expect("a saved document").document().expect("its history");
    document.import::<Chars>(&records[1].payload).expect("events");
    assert_eq!(document.text(), session.text());
}

/// What a host keeps: events as they are made, undo beside them; after a crash at any record both go on together.
#[test]
fn a_document_and_its_undo_history_live_in_a_log() {
    let path = path("host");
    let mut session = Session::new(AgentId::new(1));
    let mut opened = LogFile::open(&path).expect("a new file");
    let mut texts = vec![String::new()];
    for word in ["words ", "stay ", "whole"] {
        let caret: Chars = session.caret();
        session.insert(caret, word).expect("typing");
        session.break_undo();
        let (events, undo) = (session.take_outgoing().expect("events"), session.take_undo_changes().expect("a step"));
        opened.file.append(Kind::Events, &events).expect("room on the disk");
        opened.file.append(Kind::Undo, &undo).expect("room on the disk");
        texts.push(session.text().to_string());
    }
    drop(opened);
    let (records, _) = LogFile::read(&path).expect("a log");
    for count in 0..=records.len() {
        let mut document = Document::new();
        for record in records[..count].iter().filter(|record| record.kind == Kind::Events) {
            document.import::<Chars>(&record.payload).expect("events");
        }
        let mut again = Session::with_document(document, AgentId::new(2));
        for record in records[..count].iter().filter(|record| record.kind == Kind::Undo) {
            again.restore_undo(&record.payload).expect("a step");
        }
        assert_eq!(again.text(), texts[count.div_ceil(2)].as_str());
        if let Some(step) = (count / 2).checked_sub(1) {
            let own = texts[step].as_str();
            again.undo::<Chars>().expect("a step");
            // The events of a step that was not written any more stay.
            let expected = if count % 2 == 0 {
                own.to_owned()
            } else {
                format!("{own}{}", &texts[step + 2][texts[step + 1].len()..])
            };
            assert_eq!(again.text(), expected.as_str(), "after {count} records");
        }
    }
}

/// A torn tail in which a record seems to start at every few bytes, each of half its length: an answer at once, which took
/// a checksum of half the file for each of them before.
#[test]
fn a_tail_full_of_beginnings_is_looked_at_in_no_time() {
    let path = path("beginnings");
    let (mut bytes, _) = written_without_seals(&path, &records());
    bytes.extend([1, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    let beginning = [1, 0, 0, 0x20, 0, 0, 0, 0, 0];
    (0..(4 << 20) / beginning.len()).for_each(|_| bytes.extend(beginning));
    fs::write(&path, &bytes).expect("a temporary file");
    let start = std::time::Instant::now();
    // Damage, or a tail that is dropped: it does not matter which.
    drop(LogFile::read(&path));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
