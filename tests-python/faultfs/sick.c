/*
 * A sick disk under a real process: syncs take longer or fail with EIO, and no space can be reserved, as the
 * file SICK_CONTROL says at each of these calls. Its content: milliseconds that a sync takes at least (may
 * have a fraction), 1 if it fails, 1 if there is no space; what is left out is 0.
 *
 * With SICK_UNDER only syncs of files below that folder are sick.
 *
 * Preloaded; catches the C library's symbols, which is how the log syncs. For what power cuts leave
 * behind see `unsynced.c`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct sickness {
    double ms;
    int fails, full;
};

static struct sickness look(void) {
    struct sickness now = {0, 0, 0};
    const char *control = getenv("SICK_CONTROL");
    char text[64];
    int file = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return now;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    if (got <= 0) return now;
    text[got] = 0;
    sscanf(text, "%lf %d %d", &now.ms, &now.fails, &now.full);
    return now;
}

/* Whether a file is on the sick disk. */
static int concerns(int file) {
    const char *under = getenv("SICK_UNDER");
    char link[64], path[4096];
    if (!under) return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t got = readlink(link, path, sizeof path - 1);
    if (got <= 0) return 0;
    path[got] = 0;
    size_t length = strlen(under);
    return strncmp(path, under, length) == 0 && path[length] == '/';
}

/* Waits as long as a sync takes at least; true if it is to fail. */
static int sick(int file) {
    if (!concerns(file)) return 0;
    struct sickness now = look();
    long long ns = (long long)(now.ms * 1e6);
    struct timespec wait = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (ns > 0 && nanosleep(&wait, &wait) != 0 && errno == EINTR) {
    }
    return now.fails;
}

int fdatasync(int file) {
    if (sick(file)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}

int fsync(int file) {
    if (sick(file)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, file);
}

/* Unlike others it answers the error and leaves errno alone. */
int posix_fallocate(int file, off_t offset, off_t length) {
    if (look().full) return ENOSPC;
    return syscall(SYS_fallocate, file, 0, offset, length) == 0 ? 0 : errno;
}
