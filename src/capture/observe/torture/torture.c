/* Touches files in every way that an observer could miss; the first argument says which. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int must(int result) {
    if (result < 0) {
        perror("torture");
        exit(99);
    }
    return result;
}

static void put(int fd) { must((int)write(fd, "new bytes", 9)); }

static void get(int fd) {
    char room[64];
    must((int)read(fd, room, sizeof room));
}

static void *thread_with_its_own_folder(void *folder) {
    must(unshare(CLONE_FS));
    must(chdir(folder));
    get(must(open("a", O_RDONLY)));
    put(must(open("b", O_WRONLY | O_CREAT, 0644)));
    return NULL;
}

static void *thread_of_many(void *number) {
    char name[32];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "t%d_%d", (int)(intptr_t)number, i);
        int fd = must(open(name, O_WRONLY | O_CREAT, 0644));
        put(fd);
        close(fd);
    }
    return NULL;
}

#define ROUNDS 12
#define THREADS 6
static pthread_barrier_t together;

/* In each round all find at once that the folder is not there yet, which they write, move or link a file to. */
static void *thread_that_makes_its_folder(void *number) {
    int own = (int)(intptr_t)number, way = own % 3;
    char folder[32], name[32], beside[32];
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(folder, sizeof folder, "d%d/sub", round);
        snprintf(name, sizeof name, "d%d/sub/%d", round, own);
        snprintf(beside, sizeof beside, "t%d_%d", round, own);
        if (way) {
            int fd = must(open(beside, O_WRONLY | O_CREAT, 0644));
            put(fd);
            close(fd);
        }
        pthread_barrier_wait(&together);
        for (int result = -1; result < 0;) {
            if (way == 0)
                result = open(name, O_WRONLY | O_CREAT, 0644);
            else
                result = way == 1 ? rename(beside, name) : link(beside, name);
            if (result < 0 && errno != ENOENT)
                must(result);
            folder[strlen(folder) - 4] = 0;
            if (result < 0 && mkdir(folder, 0755) < 0 && errno != EEXIST)
                must(-1);
            folder[strlen(folder)] = '/';
            if (result < 0 && mkdir(folder, 0755) < 0 && errno != EEXIST)
                must(-1);
            if (way == 0 && result >= 0) {
                put(result);
                close(result);
            }
        }
        if (way == 2)
            must(unlink(beside));
    }
    return NULL;
}

/* In each round the first moves the folder away and makes another, into which the others write. */
static void *thread_beside_a_moved_folder(void *number) {
    int own = (int)(intptr_t)number;
    char name[32];
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&together);
        if (own == 0) {
            snprintf(name, sizeof name, "old%d", round);
            must(rename("X", name));
            must(mkdir("X", 0755));
        }
        pthread_barrier_wait(&together);
        if (own > 0) {
            snprintf(name, sizeof name, "X/%d_%d", own, round);
            int fd = must(open(name, O_WRONLY | O_CREAT, 0644));
            put(fd);
            close(fd);
        }
    }
    return NULL;
}

static void all_together(void *(*work)(void *)) {
    pthread_t threads[THREADS];
    pthread_barrier_init(&together, NULL, THREADS);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *thread_that_executes(void *unused) {
    (void)unused;
    char *arguments[] = {"cat", "a", NULL};
    execv("/bin/cat", arguments);
    return NULL;
}

static void ring(int signal) { (void)signal; }

#if defined(__x86_64__)
static long compat(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
#endif

static void replace_name_in_place(char **v) {
    must((int)syscall(SYS_renameat2, AT_FDCWD, v[2], AT_FDCWD, v[3], atoi(v[4])));
}

static int act(const char *what, char **v) {
    if (!strcmp(what, "raw")) {
        get(must((int)syscall(SYS_openat, AT_FDCWD, "a", O_RDONLY)));
        put(must((int)syscall(SYS_openat, AT_FDCWD, "b", O_WRONLY | O_CREAT, 0644)));
    } else if (!strcmp(what, "openat2")) {
        struct open_how read_how = {.flags = O_RDONLY}, write_how = {.flags = O_WRONLY | O_CREAT, .mode = 0644};
        get(must((int)syscall(SYS_openat2, AT_FDCWD, "a", &read_how, sizeof read_how)));
        put(must((int)syscall(SYS_openat2, AT_FDCWD, "b", &write_how, sizeof write_how)));
    } else if (!strcmp(what, "creat")) {
        put(must(creat("b", 0644)));
    } else if (!strcmp(what, "truncate")) {
        must(truncate("a", 2));
    } else if (!strcmp(what, "truncate_to_nothing")) {
        must(truncate("a", 0));
    } else if (!strcmp(what, "truncate_open")) {
        int target = must(open("b", O_WRONLY | O_CREAT, 0644));
        get(must(open("a", O_RDONLY)));
        must(ftruncate(target, atoi(v[2])));
        put(target);
    } else if (!strcmp(what, "rename")) {
        replace_name_in_place(v);
    } else if (!strcmp(what, "rename_refused")) {
        return renameat2(AT_FDCWD, v[2], AT_FDCWD, v[3], RENAME_NOREPLACE) == 0;
    } else if (!strcmp(what, "atomic")) {
        put(must(open("b.tmp", O_WRONLY | O_CREAT | O_EXCL, 0644)));
        must(chmod("b.tmp", 0600));
        must(rename("b.tmp", "b"));
    } else if (!strcmp(what, "link")) {
        must(link("a", "b"));
    } else if (!strcmp(what, "write_link_unlink")) {
        put(must(open("tmp", O_WRONLY | O_CREAT, 0644)));
        must(link("tmp", "b"));
        must(unlink("tmp"));
    } else if (!strcmp(what, "symlink")) {
        must(symlink("a", "b"));
        get(must(open("b", O_RDONLY)));
    } else if (!strcmp(what, "temporary")) {
        int fd = must(open("tmp", O_RDWR | O_CREAT, 0644));
        put(fd);
        must(unlink("tmp"));
        get(must(open("a", O_RDONLY)));
    } else if (!strcmp(what, "unnamed")) {
        char path[64];
        int fd = must(open(".", O_TMPFILE | O_RDWR, 0644));
        put(fd);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        must(linkat(AT_FDCWD, path, AT_FDCWD, "b", AT_SYMLINK_FOLLOW));
    } else if (!strcmp(what, "unnamed_by_descriptor")) {
        int fd = must(open(".", O_TMPFILE | O_RDWR, 0644));
        put(fd);
        if (linkat(fd, "", AT_FDCWD, "b", AT_EMPTY_PATH) != 0)
            return 77;
    } else if (!strcmp(what, "reopen")) {
        char path[64];
        int place = must(open("a", O_PATH));
        snprintf(path, sizeof path, "/proc/self/fd/%d", place);
        get(must(open(path, O_RDONLY)));
        int out = must(open("b", O_WRONLY | O_CREAT, 0644));
        snprintf(path, sizeof path, "/dev/fd/%d", out);
        put(must(open(path, O_WRONLY)));
    } else if (!strcmp(what, "folder_descriptor")) {
        int folder = must(open("d", O_RDONLY | O_DIRECTORY));
        get(must(openat(folder, "a", O_RDONLY)));
        put(must(openat(folder, "b", O_WRONLY | O_CREAT, 0644)));
        must(renameat(folder, "b", folder, "c"));
        must(unlinkat(folder, "old", 0));
    } else if (!strcmp(what, "fchdir")) {
        must(fchdir(must(open("d", O_RDONLY | O_DIRECTORY))));
        get(must(open("a", O_RDONLY)));
        put(must(open("../b", O_WRONLY | O_CREAT, 0644)));
    } else if (!strcmp(what, "thread_folder")) {
        pthread_t thread;
        pthread_create(&thread, NULL, thread_with_its_own_folder, "d");
        pthread_join(thread, NULL);
        get(must(open("a", O_RDONLY)));
    } else if (!strcmp(what, "threads")) {
        pthread_t threads[8];
        for (intptr_t i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, thread_of_many, (void *)i);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    } else if (!strcmp(what, "threads_and_new_folders")) {
        all_together(thread_that_makes_its_folder);
    } else if (!strcmp(what, "threads_and_a_moved_folder")) {
        must(mkdir("X", 0755));
        all_together(thread_beside_a_moved_folder);
    } else if (!strcmp(what, "spawn")) {
        posix_spawn_file_actions_t actions;
        char *arguments[] = {"cat", NULL};
        pid_t child;
        int status;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "a", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 1, "b", O_WRONLY | O_CREAT, 0644);
        must(-posix_spawn(&child, "/bin/cat", &actions, NULL, arguments, environ));
        must(waitpid(child, &status, 0));
        return WEXITSTATUS(status);
    } else if (!strcmp(what, "freopen")) {
        FILE *in = fopen("a", "r");
        fgetc(in);
        FILE *out = freopen("b", "w", in);
        fputs("x", out);
        fclose(out);
    } else if (!strcmp(what, "map")) {
        int fd = must(open("a", O_RDWR));
        char *bytes = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        bytes[0] = 'X';
        munmap(bytes, 3);
    } else if (!strcmp(what, "update")) {
        int fd = must(open("a", O_RDWR));
        get(fd);
        put(fd);
    } else if (!strcmp(what, "look_only")) {
        get(must(open("a", O_RDWR)));
        must(open("c", O_WRONLY));
    } else if (!strcmp(what, "append")) {
        put(must(open("a", O_WRONLY | O_APPEND)));
    } else if (!strcmp(what, "daemon")) {
        if (must(fork()) == 0) {
            setsid();
            if (must(fork()) == 0) {
                int parent_lives[2];
                must(pipe(parent_lives));
                usleep(200000);
                get(must(open("a", O_RDONLY)));
                put(must(open("b", O_WRONLY | O_CREAT, 0644)));
            }
            _exit(0);
        }
    } else if (!strcmp(what, "killed")) {
        put(must(open("b", O_WRONLY | O_CREAT, 0644)));
        kill(getpid(), SIGKILL);
    } else if (!strcmp(what, "failures")) {
        return open("none", O_RDONLY) >= 0 || open("none/b", O_WRONLY | O_CREAT, 0644) >= 0
            || rename("none", "b") == 0 || unlink("none") == 0 || link("none", "b") == 0
            || open("a", O_WRONLY | O_CREAT | O_EXCL, 0644) >= 0 || rename("a", "none/b") == 0
            || open("d", O_WRONLY) >= 0 || truncate("none", 0) == 0 || execl("none", "none", NULL) == 0;
    } else if (!strcmp(what, "list_at_the_end")) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *list = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(list + page, page);
        execve("/bin/true", (char **)(list + page - 4), NULL);
        get(must(open("a", O_RDONLY)));
    } else if (!strcmp(what, "vfork")) {
        if (vfork() == 0) {
            execl("/bin/cp", "cp", "a", "b", NULL);
            _exit(98);
        }
        int status;
        wait(&status);
        return WEXITSTATUS(status);
    } else if (!strcmp(what, "execute_in_thread")) {
        pthread_t thread;
        pthread_create(&thread, NULL, thread_that_executes, NULL);
        for (;;)
            pause();
    } else if (!strcmp(what, "execute_descriptor")) {
        char *arguments[] = {"cat", "a", NULL};
        must(fexecve(must(open("/bin/cat", O_RDONLY | O_CLOEXEC)), arguments, environ));
    } else if (!strcmp(what, "copy_range")) {
        int in = must(open("a", O_RDONLY)), out = must(open("b", O_WRONLY | O_CREAT, 0644));
        if (copy_file_range(in, NULL, out, NULL, 3, 0) < 0)
            sendfile(out, in, NULL, 3);
    } else if (!strcmp(what, "node")) {
        must(mknod("b", S_IFREG | 0644, 0));
        put(must(open("b", O_WRONLY)));
    } else if (!strcmp(what, "through_link")) {
        put(must(open("dangling", O_WRONLY | O_CREAT, 0644)));
    } else if (!strcmp(what, "odd_names")) {
        get(must(open("line\nbreak", O_RDONLY)));
        put(must(open("not\xff\xfeutf", O_WRONLY | O_CREAT, 0644)));
    } else if (!strcmp(what, "fork_only")) {
        if (must(fork()) == 0) {
            get(must(open("a", O_RDONLY)));
            put(must(open("b", O_WRONLY | O_CREAT, 0644)));
            _exit(0);
        }
        wait(NULL);
    } else if (!strcmp(what, "handle")) {
        struct {
            struct file_handle head;
            char room[128];
        } handle = {.head.handle_bytes = 128};
        int mount, folder = must(open(".", O_RDONLY | O_DIRECTORY));
        if (name_to_handle_at(AT_FDCWD, "a", &handle.head, &mount, 0) != 0)
            return 77;
        int fd = open_by_handle_at(folder, &handle.head, O_RDONLY);
        if (fd < 0)
            return 77;
        get(fd);
    } else if (!strcmp(what, "alarms")) {
        struct itimerval often = {{0, 300}, {0, 300}};
        signal(SIGALRM, ring);
        setitimer(ITIMER_REAL, &often, NULL);
        for (int i = 0; i < 300; i++) {
            int fd;
            while ((fd = open("a", O_RDONLY)) < 0 && errno == EINTR) {
            }
            close(must(fd));
        }
    } else if (!strcmp(what, "bound_folder")) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 && unshare(CLONE_NEWNS) != 0)
            return 77;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("d", "/mnt", NULL, MS_BIND, NULL) != 0)
            return 77;
        get(must(open("/mnt/a", O_RDONLY)));
        put(must(open("/mnt/b", O_WRONLY | O_CREAT, 0644)));
        must(rename("/mnt/b", "/mnt/c"));
    } else if (!strcmp(what, "other_root")) {
        if (chroot("d") != 0 && (unshare(CLONE_NEWUSER) != 0 || chroot("d") != 0))
            return 77;
        get(must(open("/link", O_RDONLY)));
        must(chdir("/"));
        put(must(open("b", O_WRONLY | O_CREAT, 0644)));
    } else if (!strcmp(what, "io_uring")) {
        char room[256] = {0};
        return syscall(SYS_io_uring_setup, 8, room) >= 0 ? 1 : errno == ENOSYS ? 0 : 2;
#if defined(__x86_64__)
    } else if (!strcmp(what, "compat")) {
        char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        strcpy(low, "a");
        strcpy(low + 16, "b");
        strcpy(low + 32, "c");
        long fd = compat(5, (long)low, O_RDONLY, 0);
        if (fd == -ENOSYS)
            return 77;
        get(must((int)fd));
        put(must((int)compat(5, (long)(low + 16), O_WRONLY | O_CREAT, 0644)));
        must((int)compat(38, (long)(low + 16), (long)(low + 32), 0));
#endif
    } else {
        return 97;
    }
    return 0;
}

int main(int count, char **v) { return count < 2 ? 96 : act(v[1], v); }
