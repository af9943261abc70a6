//! The command does not notice that it is observed, and is observed as well as can be.

use super::super::Refusal;
use super::*;

fn refusal(arguments: &[&str], change: &dyn Fn(&mut Options<'_>)) -> Refusal {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "text").unwrap();
    let arguments = arguments.iter().map(OsString::from).collect();
    let mut options = Options::new(arguments, folder.path().to_path_buf(), &now);
    options.environment = vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())];
    change(&mut options);
    observe(&options, &mut |_, _, _| {}).unwrap_err()
}

#[test]
fn what_cannot_be_started_is_told_as_shells_tell_it() {
    assert_eq!(refusal(&["no-such-command"], &|_| {}).exit_code(), 127);
    assert_eq!(refusal(&["./nothing"], &|_| {}).exit_code(), 127);
    assert_eq!(refusal(&[], &|_| {}).exit_code(), 127);
    assert_eq!(refusal(&["./plain"], &|_| {}).exit_code(), 126);
    assert_eq!(refusal(&["/"], &|_| {}).exit_code(), 126);
    assert_eq!(refusal(&["true"], &|options| options.folder = "/no/such/folder".into()).exit_code(), 125);
}

#[test]
fn a_script_whose_interpreter_is_missing_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let found = refusal(&[path.to_str().unwrap()], &|_| {});
    assert_eq!(found.exit_code(), 127);
}

#[test]
fn codes_and_signals_are_the_command_s_own() {
    for (script, exit) in [
        ("exit 7", Exit::Code(7)),
        ("kill -TERM $$", Exit::Signal { number: 15, dumped_core: false }),
        ("exit 255", Exit::Code(255)),
    ] {
        assert_eq!(try_with(&[], &["sh", "-c", script], &|_| {}).observation.exit, exit);
    }
}

#[test]
fn standard_streams_and_process_group_are_those_of_this_process() {
    let script = "cut -d' ' -f5 /proc/$$/stat > group; readlink /proc/$$/fd/0 > in || true; umask > mask";
    let trial = try_with(&[], &["sh", "-c", script], &|_| {});
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    let read = |name: &str| std::fs::read_to_string(trial.root().join(name)).unwrap().trim().to_string();
    assert_eq!(read("group"), own.split(' ').nth(4).unwrap());
    assert_eq!(read("in"), std::fs::read_link("/proc/self/fd/0").unwrap().to_string_lossy());
}

/// The descriptors that this process hands on to whatever it starts: its standard streams, and what it was started with itself.
fn handed_on() -> Vec<String> {
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let is_handed_on = |information: &str| {
        let flags = information.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC == 0
    };
    // What another test closes meanwhile is none.
    let open = descriptors.filter(|entry| {
        std::fs::read_to_string(entry.path()).is_ok_and(|information| is_handed_on(&information))
    });
    open.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn the_command_has_no_descriptor_of_ours() {
    let handed_on = handed_on();
    // Of no redirection that the shell undoes, nor of one that `ls` opens for itself.
    let script = "exec > b; ls /proc/$$/fd; true";
    let trial = try_with(&[], &["sh", "-c", script], &|_| {});
    let found = std::fs::read_to_string(trial.root().join("b")).unwrap();
    assert!(found.lines().any(|descriptor| descriptor == "1"), "{found}");
    for descriptor in found.lines() {
        assert!(handed_on.iter().any(|one| one == descriptor), "{descriptor} is not of {handed_on:?}");
    }
    assert!(!trial.observation.gaps.iter().any(|gap| gap.text.contains("looked into")));
}

#[test]
fn a_file_without_magic_is_a_script_of_the_shell() {
    let trial = try_with(&[("a", "old")], &["sh", "-c", "echo 'cat a > b' > s; chmod +x s; ./s"], &|_| {});
    trial.expect("input a, output b, intermediate s");
}

#[test]
fn the_snapshot_finds_what_was_written_and_claims_no_more() {
    let files = &[("a", "old"), ("gone", "x"), ("kept", "y"), ("skipped/z", "1")];
    let script = "cp a b; echo more >> a; rm gone; echo 2 > skipped/z";
    let trial = try_with(files, &["sh", "-c", script], &|options| {
        options.level = Some(Level::Snapshot);
        options.roots = vec![options.folder.clone()];
        options.is_skipped = &|path| path.ends_with("skipped");
    });
    assert_eq!(trial.observation.level, Level::Snapshot);
    let found: Vec<String> =
        trial.files().iter().map(|(path, file)| format!("{} {path}", word(file.class))).collect();
    assert_eq!(found, ["output a", "output b", "deleted gone"]);
    let version = trial.file("b").after().unwrap();
    assert_eq!((version.content.unwrap().digest, version.evidence), (Digest::of(b"old"), Evidence::Inferred));
    assert_eq!(trial.file("gone").before().unwrap().content, None);
    assert!(trial.observation.processes.is_empty());
}

#[test]
fn connections_are_listed() {
    if has("python3") {
        let program = "import socket
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
socket.create_connection(s.getsockname())
print(s.getsockname()[1], file=open('port', 'w'))";
        let trial = try_with(&[], &["python3", "-c", program], &|_| {});
        let port = std::fs::read_to_string(trial.root().join("port")).unwrap();
        assert!(trial.observation.connections.contains(&format!("tcp://127.0.0.1:{}", port.trim())));
    }
}

/// Names the file that tells the test below which script to observe, in a process of its own.
const TOLD: &str = "LINEAGE_TEST_SCRIPT";
/// The same, of the script that two commands are to run at once.
const TOLD_TWICE: &str = "LINEAGE_TEST_SCRIPT_TWICE";

/// No test of its own: the other half of those that need an observer that can be killed, or that is observed.
#[test]
fn an_observer_in_a_process_of_its_own() {
    let Some(script) = std::env::var_os(TOLD) else {
        return;
    };
    let folder = PathBuf::from(&script).parent().unwrap().to_path_buf();
    let mut options = Options::new(vec!["sh".into(), script], folder, &now);
    options.environment = std::env::vars_os().collect();
    options.forward_signals = true;
    let observation = observe(&options, &mut |_, _, _| {}).unwrap();
    match observation.exit {
        Exit::Code(code) => std::process::exit(code),
        Exit::Signal { number, .. } => std::process::exit(128 + number),
        Exit::Unknown => panic!("its end was not learned"),
    }
}

fn own_process(script: &Path) -> Command {
    let mut command = observer_process("an_observer_in_a_process_of_its_own");
    command.env(TOLD, script);
    command
}

fn observer_process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = format!("capture::observe::torture::transparency::{test}");
    command.args(["--exact", &name, "--nocapture", "--test-threads=1"]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command
}

/// A folder with two named pipes, to wait for the command and to let it go on, and the script.
fn stage(script: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, script).unwrap();
    for name in ["says", "hears"] {
        assert!(Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap().success());
    }
    (folder, path)
}

#[test]
fn the_command_lives_on_when_its_observer_is_killed() {
    let (folder, path) =
        stage("echo ready > says; read x < hears; cp script copy; echo done > says; read x < hears");
    let mut observer = own_process(&path).spawn().unwrap();
    let says = folder.path().join("says");
    assert_eq!(std::fs::read_to_string(&says).unwrap(), "ready\n");
    observer.kill().unwrap();
    observer.wait().unwrap();
    std::fs::write(folder.path().join("hears"), "go\n").unwrap();
    assert_eq!(std::fs::read_to_string(&says).unwrap(), "done\n");
    assert_eq!(std::fs::read(folder.path().join("copy")).unwrap(), std::fs::read(&path).unwrap());
    std::fs::write(folder.path().join("hears"), "end\n").unwrap();
}

#[test]
fn a_signal_sent_to_the_observer_reaches_the_command() {
    let (folder, path) = stage("trap 'exit 5' TERM; echo ready > says; while :; do read x < hears; done");
    let mut observer = own_process(&path).spawn().unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("says")).unwrap(), "ready\n");
    assert!(Command::new("kill").arg(observer.id().to_string()).status().unwrap().success());
    assert_eq!(observer.wait().unwrap().code(), Some(5));
}

#[test]
fn a_signal_sent_to_all_that_belong_to_the_observer_reaches_the_command_once() {
    // Waiting at a pipe, the shell would be woken by the signal.
    let (folder, path) = stage(
        "trap 'echo x >> told' TERM; echo ready > says; while ! test -e go; do sleep 0.05; done; echo done > says",
    );
    let mut observer = own_process(&path).spawn().unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("says")).unwrap(), "ready\n");
    let pid = observer.id();
    // Whichever thread of it has forked them.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children =
        threads.flat_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")));
    let children = children.collect::<Vec<_>>().join(" ");
    // The command has become another program.
    let own = std::env::current_exe().unwrap();
    let is_guardian =
        |child: &&str| std::fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe == own);
    let guardian = children.split_whitespace().find(is_guardian).expect("there is a guardian").to_owned();
    assert!(Command::new("kill").args([&guardian, &pid.to_string()]).status().unwrap().success());
    // It may take its time to the command, and would wake it at the pipe.
    while !folder.path().join("told").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("says")).unwrap(), "done\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("told")).unwrap(), "x\n");
    assert_eq!(observer.wait().unwrap().code(), Some(0));
}

/// No test of its own: two commands that one process observes at once.
#[test]
fn an_observer_of_two_in_a_process_of_its_own() {
    let Some(script) = std::env::var_os(TOLD_TWICE) else {
        return;
    };
    let folder = PathBuf::from(&script).parent().unwrap().to_path_buf();
    let observe_one = |name: &'static str| {
        let arguments = vec!["sh".into(), script.clone(), name.into()];
        let mut options = Options::new(arguments, folder.clone(), &now);
        options.environment = std::env::vars_os().collect();
        options.forward_signals = true;
        observe(&options, &mut |_, _, _| {}).unwrap().exit
    };
    let exits = std::thread::scope(|scope| {
        ["one", "two"].map(|name| scope.spawn(move || observe_one(name))).map(|one| one.join().unwrap())
    });
    std::process::exit(i32::from(exits != [Exit::Code(5), Exit::Code(5)]));
}

#[test]
fn a_signal_sent_to_the_observer_of_two_commands_reaches_both() {
    let (folder, path) =
        stage("trap 'exit 5' TERM; echo ready > says; while :; do read x < hears; echo on > says; done");
    let mut command = observer_process("an_observer_of_two_in_a_process_of_its_own");
    let mut observer = command.env(TOLD_TWICE, &path).spawn().unwrap();
    let mut ready = String::new();
    while ready.len() < 2 * "ready\n".len() {
        ready += &std::fs::read_to_string(folder.path().join("says")).unwrap();
    }
    assert_eq!(ready, "ready\nready\n");
    assert!(Command::new("kill").arg(observer.id().to_string()).status().unwrap().success());
    assert_eq!(observer.wait().unwrap().code(), Some(0));
}

#[test]
fn an_observer_inside_does_its_work_without_the_net_and_hides_nothing() {
    let own = std::env::current_exe().unwrap();
    let name = "capture::observe::torture::transparency::an_observer_in_a_process_of_its_own";
    let run = format!("{TOLD}=$PWD/script {} --exact {name} > log", own.display());
    let trial = try_with(&[("a", "old"), ("script", "cp a b")], &["sh", "-c", &run], &|_| {});
    assert_eq!(trial.observation.exit, Exit::Code(0));
    // It reads what the command it observes has written.
    trial.expect("input a, intermediate b, output log, input script");
    assert!(
        trial.observation.gaps.iter().any(|gap| gap.text.contains("seccomp listener")),
        "{:?}",
        trial.observation.gaps
    );
}
