/* Preloaded into a process, it kills that process just before its KILL_AT-th change
 * of the file system, or counts these into the file KILL_COUNT when it exits.
 * Renames of temporary files are made by direct system calls and are not seen: an
 * fsync stands on either side of each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static long made;

static void change(void) {
    const char *at = getenv("KILL_AT");
    if (__atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST) == (at ? atol(at) : 0)) kill(getpid(), SIGKILL);
}

__attribute__((destructor)) static void count(void) {
    const char *path = getenv("KILL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld", made);
    fclose(file);
}

#define CHANGE(name, params, args)                                     \
    int name params {                                                  \
        int (*next) params = (int (*) params)dlsym(RTLD_NEXT, #name);  \
        change();                                                      \
        return next args;                                              \
    }

CHANGE(fsync, (int fd), (fd))
CHANGE(fdatasync, (int fd), (fd))
CHANGE(ftruncate, (int fd, off_t length), (fd, length))
CHANGE(ftruncate64, (int fd, off64_t length), (fd, length))
CHANGE(mkdir, (const char *path, mode_t mode), (path, mode))
CHANGE(rename, (const char *from, const char *to), (from, to))
CHANGE(rmdir, (const char *path), (path))
CHANGE(unlink, (const char *path), (path))
CHANGE(unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
