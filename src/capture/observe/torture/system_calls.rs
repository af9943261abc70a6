//! Single system calls, in programs linked dynamically and statically.

use super::*;

const A: &[(&str, &str)] = &[("a", "old")];

#[test]
fn calls_without_the_c_library_are_seen() {
    check_program(A, "raw", "input a, output b");
}

#[test]
fn openat2_is_seen() {
    check_program(A, "openat2", "input a, output b");
}

#[test]
fn creat_is_seen() {
    check_program(A, "creat", "output b");
    check_program(&[("b", "old")], "creat", "output b");
}

#[test]
fn truncate_leaves_old_bytes_or_none() {
    check_program(A, "truncate", "updated a");
    check_program(A, "truncate_to_nothing", "output a");
}

#[test]
fn what_is_emptied_once_it_is_open_is_written_anew() {
    let both = &[("a", "old"), ("b", "older")];
    check_program(both, "truncate_open 0", "input a, output b");
    check_program(both, "truncate_open 1", "input a, updated b");
    check_program(A, "truncate_open 0", "input a, output b");
}

#[test]
fn a_renamed_input_is_gone_and_an_output_under_its_new_name() {
    check_program(A, "rename a b 0", "deleted a, output b");
}

#[test]
fn a_rename_over_a_file_replaces_it() {
    check_program(&[("a", "old"), ("b", "older")], "rename a b 0", "deleted a, output b");
}

#[test]
fn exchanged_files_are_both_updated() {
    check_program(&[("a", "old"), ("b", "older")], "rename a b 2", "updated a, updated b");
}

#[test]
fn a_refused_rename_leaves_no_trace() {
    check_program(&[("a", "old"), ("b", "older")], "rename_refused a b", "");
}

#[test]
fn a_file_written_aside_and_renamed_is_an_output_under_its_last_name_only() {
    check_program(&[], "atomic", "output b");
    check_program(&[("b", "old")], "atomic", "output b");
}

#[test]
fn a_hard_link_is_a_copy_of_its_source() {
    check_program(A, "link", "input a, output b");
}

#[test]
fn a_file_linked_to_its_last_name_is_an_output_under_it_only() {
    check_program(&[], "write_link_unlink", "output b");
}

#[test]
fn the_links_that_a_read_led_through_are_inputs_and_those_of_a_write_are_not() {
    let files = [("v1/x", "one"), ("v2/x", "two"), ("data@", "v1"), ("cur@", "data/x"), ("to@", "v2")];
    for (script, expected) in [
        ("cat data/x > to/o", "input data, input v1/x, output v2/o"),
        ("cat v1/x data/x > o", "input data, output o, input v1/x"),
        ("cat cur > o", "input cur, input data, output o, input v1/x"),
        ("cd data; cat x > ../o", "output o, input v1/x"),
        ("ln -sfn v2 data; cat data/x > o", "output data, output o, input v2/x"),
    ] {
        let trial =
            try_with(&files, &["sh", "-c", script], &|options| options.roots = vec![options.folder.clone()]);
        let found: Vec<String> =
            trial.files().iter().map(|(path, file)| format!("{} {path}", word(file.class))).collect();
        assert_eq!(found.join(", "), expected, "{script}");
        trial.check_bytes();
    }
}

#[test]
fn a_symbolic_link_is_an_output_and_its_target_an_input() {
    check_program(A, "symlink", "input a, output b");
}

#[test]
fn a_temporary_file_of_one_process_is_only_counted() {
    check_program(A, "temporary", "input a");
    if programs().dynamic {
        let trial = try_with(A, &["torture", "temporary"], &|_| {});
        assert_eq!(trial.observation.private_temporaries, 1);
    }
}

#[test]
fn a_file_made_without_a_name_is_an_output_once_it_has_one() {
    check_program(&[], "unnamed", "output b");
    check_program(&[], "unnamed_by_descriptor", "output b");
}

#[test]
fn a_descriptor_opened_again_through_proc_leads_to_its_file() {
    check_program(A, "reopen", "input a, output b");
}

#[test]
fn paths_start_from_folder_descriptors() {
    let files = &[("d/a", "old"), ("d/old", "older")];
    check_program(files, "folder_descriptor", "input d/a, output d/c, deleted d/old");
}

#[test]
fn fchdir_moves_the_start_of_paths() {
    check_program(&[("d/a", "old")], "fchdir", "output b, input d/a");
}

#[test]
fn a_thread_may_have_a_working_folder_of_its_own() {
    check_program(&[("a", "old"), ("d/a", "other")], "thread_folder", "input a, input d/a, output d/b");
}

#[test]
fn many_threads_lose_nothing() {
    let mut names: Vec<String> =
        (0..8).flat_map(|thread| (0..50).map(move |file| format!("output t{thread}_{file}"))).collect();
    names.sort();
    check_program(&[], "threads", &names.join(","));
}

#[test]
fn threads_lose_nothing_in_a_folder_that_one_of_them_makes_meanwhile() {
    let rounds = (0..12).flat_map(|round| (0..6).map(move |thread| format!("output d{round}/sub/{thread}")));
    let mut names: Vec<String> = rounds.collect();
    names.sort();
    check_program(&[], "threads_and_new_folders", &names.join(","));
}

#[test]
fn threads_lose_nothing_in_a_folder_that_one_of_them_puts_in_the_place_of_another() {
    let place = |round: u32| match round {
        11 => "X".to_owned(),
        round => format!("old{}", round + 1),
    };
    let rounds = (0..12).flat_map(|round| (1..6).map(move |thread| (round, thread)));
    let mut names: Vec<String> =
        rounds.map(|(round, thread)| format!("output {}/{thread}_{round}", place(round))).collect();
    names.sort();
    check_program(&[], "threads_and_a_moved_folder", &names.join(","));
}

#[test]
fn files_opened_by_posix_spawn_are_the_child_s() {
    check_program(A, "spawn", "input a, output b");
}

#[test]
fn streams_are_seen() {
    check_program(A, "freopen", "input a, output b");
}

#[test]
fn a_change_through_a_shared_mapping_is_an_update() {
    check_program(A, "map", "updated a");
}

#[test]
fn an_update_in_place_has_bytes_before_and_after() {
    check_program(A, "update", "updated a");
}

#[test]
fn a_file_opened_for_both_and_not_changed_is_an_input() {
    check_program(&[("a", "old"), ("c", "x")], "look_only", "input a, untouched c");
}

#[test]
fn an_append_leaves_the_old_bytes() {
    check_program(A, "append", "updated a");
}

#[test]
fn failures_leave_no_trace() {
    // Somebody could have made the folder that `a` was to be moved to: it was looked at.
    check_program(&[("a", "old"), ("d/x", "")], "failures", "untouched a");
}

#[test]
fn a_list_of_arguments_that_breaks_off_is_read_as_far_as_it_goes() {
    check_program(A, "list_at_the_end", "input a");
}

#[test]
fn a_copy_inside_the_kernel_is_seen() {
    check_program(A, "copy_range", "input a, output b");
}

#[test]
fn a_file_made_by_mknod_is_an_output() {
    check_program(&[], "node", "output b");
}

#[test]
fn a_file_created_through_a_dangling_link_is_at_the_link_s_end() {
    check_program(&[("dangling@", "d/real"), ("d/x", "")], "through_link", "output d/real");
}

#[test]
fn a_folder_behind_a_link_is_named_as_it_is() {
    let files = &[("v1/a", "1"), ("v2/a", "2"), ("now@", "v1")];
    let script = "cat now/a > b1; ln -sfn v2 now; cat now/a > b2; rm now; mv v2 now; cat now/a > b3";
    let expected =
        "output b1, output b2, output b3, deleted now, intermediate now/a, input v1/a, deleted v2/a";
    if let Some(trial) = check(files, script, expected) {
        assert_eq!(trial.file("b3").after().unwrap().content.unwrap().digest, Digest::of(b"2"));
    }
}

#[test]
fn names_may_hold_any_byte() {
    check_program(
        &[("line\nbreak", "old")],
        "odd_names",
        "input line\\nbreak, output not\u{fffd}\u{fffd}utf",
    );
}

#[test]
fn a_file_opened_by_its_handle_is_found() {
    check_program(A, "handle", "input a");
}

#[test]
fn signals_in_stopped_calls_do_no_harm() {
    check_program(A, "alarms", "input a");
}

#[test]
fn a_bound_folder_is_named_as_we_see_it() {
    check_program(&[("d/a", "old")], "bound_folder", "input d/a, output d/c");
}

#[test]
fn paths_in_another_root_are_named_as_we_see_them() {
    check_program(&[("d/a", "old"), ("d/link@", "/a")], "other_root", "input d/a, output d/b");
}

#[test]
fn calls_of_32_bits_are_seen() {
    if cfg!(target_arch = "x86_64") {
        check_program(A, "compat", "input a, output c");
    }
    if programs().tiny {
        check(A, "exec tiny", "input a, output b");
    }
}

#[test]
fn io_uring_is_refused_and_that_is_said() {
    if programs().dynamic {
        let trial = check(&[], "exec torture io_uring", "").unwrap();
        assert_eq!(trial.observation.gaps.len(), 1, "{:?}", trial.observation.gaps);
        assert!(trial.observation.gaps[0].text.starts_with("io_uring was refused to `"));
        let trial = try_with(&[], &["torture", "io_uring"], &|options| options.allow_io_uring = true);
        assert!(trial.observation.gaps[0].text.contains("used io_uring"), "{:?}", trial.observation.gaps);
    }
}

#[test]
fn work_that_lies_among_the_system_s_own_files_is_work() {
    let Ok(folder) = tempfile::tempdir_in("/opt") else {
        crate::machine::skipped(crate::machine::Lack::User, "nothing may be written below /opt here");
        return;
    };
    let root = folder.path().canonicalize().unwrap();
    std::fs::write(root.join("real"), "1").unwrap();
    std::os::unix::fs::symlink("real", root.join("link")).unwrap();
    // Somebody outside puts another file there between two reads.
    let script =
        "cat $PWD/link; : > asked; while ! [ -e changed ]; do sleep 0.01; done; cat $PWD/real > copy";
    let mut options = Options::new(vec!["sh".into(), "-c".into(), script.into()], root.clone(), &now);
    options.environment = vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())];
    options.roots = vec![root.clone()];
    let is_ours = |path: &Path| path.starts_with(&root);
    options.is_wanted = &is_ours;
    let observation = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !root.join("asked").exists() {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            std::fs::write(root.join("other"), "2").unwrap();
            std::fs::rename(root.join("other"), root.join("real")).unwrap();
            std::fs::write(root.join("changed"), "").unwrap();
        });
        observe(&options, &mut |_, _, _| {}).unwrap_or_else(|refusal| panic!("{}", refusal.into_error()))
    });
    let versions = |name: &str| {
        let file = observation.files.iter().find(|file| file.path == root.join(name));
        file.map_or(0, |file| file.versions.len())
    };
    assert_eq!((versions("link"), versions("real")), (1, 2), "{:?}", observation.files);
}
