//! Random edits: our answer is git's answer, and our patch is the work tree.

use super::support::Repo;

/// A small generator of numbers, the same for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, names: &[&'a str]) -> &'a str {
        names[self.roll(names.len())]
    }
}

const NAMES: [&str; 14] = [
    "a.txt",
    "b",
    "dir/c.txt",
    "dir/d",
    "dir/sub/e.py",
    "dir/sub/f g",
    "dir.txt",
    "dir-x",
    "ü",
    "q\"uote",
    "x\ny",
    "zz/1",
    "zz/2",
    "b.bin",
];

#[test]
fn random_edits_are_seen_as_git_sees_them_and_the_patch_carries_them() {
    for seed in 1..=30 {
        let Some(repo) = Repo::empty() else { return };
        check(seed, repo);
    }
}

#[test]
fn random_edits_are_seen_as_git_sees_them_where_line_ends_are_converted() {
    for seed in 1..=10 {
        let Some(repo) = Repo::converting(["true", "input"][seed as usize % 2]) else {
            return;
        };
        check(seed, repo);
    }
}

/// Edits at random, with a commit on the way for most seeds, and compares now and then.
fn check(seed: u64, repo: Repo) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    repo.write("first", "x\n");
    for _ in 0..12 {
        edit(&repo, &mut dice);
    }
    if !seed.is_multiple_of(10) {
        repo.commit("base");
    }
    for step in 0..20 {
        edit(&repo, &mut dice);
        if step % 5 == 4 {
            eprintln!("seed {seed}, step {step}");
            repo.check();
        }
    }
}

/// Does one random thing to the work tree or the index; what git refuses is left undone.
fn edit(repo: &Repo, dice: &mut Dice) {
    let name = dice.pick(&NAMES);
    let path = repo.path(name);
    match dice.roll(16) {
        0..=4 => write(repo, dice, name),
        5 => drop(std::fs::remove_file(&path)),
        6 => drop(repo.try_git(&["add", "-A"])),
        7 | 8 => drop(repo.try_git(&["add", "--", name])),
        9 => drop(repo.try_git(&["rm", "-q", "--cached", "--", name])),
        10 => drop(repo.try_git(&["add", "-N", "--", name])),
        11 => drop(repo.try_git(&["mv", "-f", "--", name, dice.pick(&NAMES)])),
        12 if path.is_file() && !path.is_symlink() => repo.executable(name, dice.roll(2) == 0),
        13 if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) => {
            drop(std::fs::remove_file(&path));
            repo.link(name, dice.pick(&NAMES));
        }
        14 => drop(repo.try_git(&["checkout", "-q", "HEAD", "--", name])),
        15 if path.is_file() && !path.is_symlink() => {
            // A file becomes a folder with a file.
            drop(std::fs::remove_file(&path));
            write(repo, dice, &format!("{name}/inside"));
        }
        _ => {}
    }
}

/// Writes random lines, or bytes, where nothing is in the way.
fn write(repo: &Repo, dice: &mut Dice, name: &str) {
    let path = repo.path(name);
    if path.is_dir() || path.is_symlink() {
        return;
    }
    let blocked = path.parent().is_none_or(|parent| std::fs::create_dir_all(parent).is_err());
    if blocked {
        return;
    }
    let mut bytes = Vec::new();
    for _ in 0..dice.roll(40) {
        bytes.extend_from_slice(
            dice.pick(&["same\n", "line\n", "other\n", "\r\n", "a\n", "\n", "longer line\n"]).as_bytes(),
        );
    }
    match dice.roll(6) {
        0 => bytes.push(0),
        1 => bytes.extend_from_slice(b"no end"),
        _ => {}
    }
    repo.write(name, bytes);
}
