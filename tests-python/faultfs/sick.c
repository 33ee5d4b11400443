/*
 * A sick disk under a real process: syncs take longer, or fail with EIO, as the file SICK_CONTROL says at
 * each of them. Its content: milliseconds that a sync takes at least, a space, and 1 if it fails.
 *
 * Preloaded; catches the C library's symbols, which is how the log syncs. For what power cuts leave
 * behind see `unsynced.c`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Waits as long as a sync takes at least; true if it is to fail. */
static int sick(void) {
    const char *control = getenv("SICK_CONTROL");
    char text[64];
    long ms = 0;
    int fails = 0, file = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    if (got <= 0) return 0;
    text[got] = 0;
    sscanf(text, "%ld %d", &ms, &fails);
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&wait, &wait) != 0 && errno == EINTR) {
    }
    return fails;
}

int fdatasync(int file) {
    if (sick()) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}

int fsync(int file) {
    if (sick()) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, file);
}
