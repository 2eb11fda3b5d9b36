/* A disk that fails, for LD_PRELOAD: kills the process at, or fails, the N-th operation of one kind below a folder.
   Belongs here: the calls of libc that reach a disk. Not here: which of them is struck (disk.py). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum kind { WRITE, FSYNC, RENAME, OPEN, UNLINK, LINK, KINDS };
enum mode { COUNT, KILL_BEFORE, KILL_AFTER, KILL_TORN, FAIL_ONCE, FAIL_ON };
static char root[4096];
static int struck_kind, struck_mode, failure;
static long struck_at;
static atomic_long counts[KINDS];

void disk_arm(const char *folder, int kind, int mode, long at, int number) {
    struck_kind = kind, struck_mode = mode, struck_at = at, failure = number;
    for (int k = 0; k < KINDS; k++) counts[k] = 0;
    snprintf(root, sizeof root, "%s", folder);
}
long disk_count(int kind) { return counts[kind]; }

static void die(void) { for (;;) kill(getpid(), SIGKILL); }

static int is_below(int folder, const char *path) {
    char whole[8192], link[64];
    if (!root[0]) return 0;
    if (path && path[0] == '/') return !strncmp(path, root, strlen(root));
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    ssize_t size = readlink(link, whole, sizeof whole - 1);
    return size > 0 && (whole[size] = 0, !strncmp(whole, root, strlen(root)));
}
/* What is to be done with this operation: COUNT lets it pass. */
static int strike(int kind, int folder, const char *path) {
    int kept = errno, mode = COUNT;
    if (is_below(folder, path)) {
        long n = ++counts[kind];
        if (kind == struck_kind && (n == struck_at || (struck_mode == FAIL_ON && n > struck_at))) mode = struck_mode;
    }
    if (mode == KILL_BEFORE) die();
    errno = mode >= FAIL_ONCE ? failure : kept;
    return mode;
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(kind, folder, path, result, call) do { \
    int mode = strike(kind, folder, path); \
    if (mode >= FAIL_ONCE) return -1; \
    result done = call; \
    if (mode != COUNT) die(); \
    return done; } while (0)
#define WRITES(name, parameters, half, whole) ssize_t name parameters { \
    int mode = strike(WRITE, fd, NULL); \
    if (mode >= FAIL_ONCE) return -1; \
    if (mode == KILL_TORN) { if (REAL(name) half < 0) {} die(); } \
    ssize_t done = REAL(name) whole; \
    if (mode != COUNT) die(); \
    return done; }
WRITES(write, (int fd, const void *body, size_t size), (fd, body, size / 2), (fd, body, size))
WRITES(pwrite, (int fd, const void *body, size_t size, off_t at), (fd, body, size / 2, at), (fd, body, size, at))
WRITES(pwrite64, (int fd, const void *body, size_t size, off64_t at), (fd, body, size / 2, at), (fd, body, size, at))

int fsync(int fd) { WRAP(FSYNC, fd, NULL, int, REAL(fsync)(fd)); }
int fdatasync(int fd) { WRAP(FSYNC, fd, NULL, int, REAL(fdatasync)(fd)); }
int rename(const char *from, const char *to) { WRAP(RENAME, AT_FDCWD, to, int, REAL(rename)(from, to)); }
int renameat(int a, const char *from, int b, const char *to) { WRAP(RENAME, b, to, int, REAL(renameat)(a, from, b, to)); }
int unlink(const char *path) { WRAP(UNLINK, AT_FDCWD, path, int, REAL(unlink)(path)); }
int unlinkat(int at, const char *path, int flags) { WRAP(UNLINK, at, path, int, REAL(unlinkat)(at, path, flags)); }
int rmdir(const char *path) { WRAP(UNLINK, AT_FDCWD, path, int, REAL(rmdir)(path)); }
int link(const char *from, const char *to) { WRAP(LINK, AT_FDCWD, to, int, REAL(link)(from, to)); }
int linkat(int a, const char *from, int b, const char *to, int f) {
    WRAP(LINK, b, to, int, REAL(linkat)(a, from, b, to, f));
}
int symlink(const char *from, const char *to) { WRAP(LINK, AT_FDCWD, to, int, REAL(symlink)(from, to)); }
#define CREATED mode_t bits = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); bits = va_arg(more, mode_t); va_end(more); }
int open(const char *path, int flags, ...) { CREATED WRAP(OPEN, AT_FDCWD, path, int, REAL(open)(path, flags, bits)); }
int open64(const char *path, int flags, ...) {
    CREATED WRAP(OPEN, AT_FDCWD, path, int, REAL(open64)(path, flags, bits));
}
int openat(int at, const char *path, int flags, ...) {
    CREATED WRAP(OPEN, at, path, int, REAL(openat)(at, path, flags, bits));
}
int openat64(int at, const char *path, int flags, ...) {
    CREATED WRAP(OPEN, at, path, int, REAL(openat64)(at, path, flags, bits));
}
