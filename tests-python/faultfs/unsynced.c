/*
 * A fault layer under real files: it remembers what every change that is not synced yet replaced.
 *
 * Preloaded into a process, it journals the before-image of each change below UNSYNCED_ROOT to the file
 * UNSYNCED_JOURNAL, which must not lie below that folder. When the process has been killed, its page
 * cache still holds everything; `harness/unsynced.py` plays the journal backwards and so makes the folder
 * what a power cut may have left of it.
 *
 * System calls are caught by seccomp (SECCOMP_RET_TRAP), not by symbols: the row store's libraries make
 * some of theirs without the C library. The handler journals first, then makes the call itself. Only the
 * one `syscall` instruction in this file passes the filter.
 *
 * Not covered, and journaled as UNMODELLED so that a test notices: hard and symbolic links, openat2, truncate by path,
 * O_SYNC, splice, io_uring, sync of whole file systems. Not covered and not noticed: shared writable mappings.
 * It does not survive exec: children of the process must not be started.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

/* The only place whose system calls the filter lets through. */
long unsynced_syscall(long number, long a, long b, long c, long d, long e, long f);
extern const char unsynced_after[];

#if defined(__x86_64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_X86_64
__asm__(".text\n.globl unsynced_syscall\nunsynced_syscall:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\n"
        "mov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\n"
        ".globl unsynced_after\nunsynced_after:\nret\n");
#define REGISTER(context, n) ((context)->uc_mcontext.gregs[argument_registers[n]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
static const int argument_registers[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
#elif defined(__aarch64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_AARCH64
__asm__(".text\n.globl unsynced_syscall\nunsynced_syscall:\n"
        "mov x8, x0\nmov x0, x1\nmov x1, x2\nmov x2, x3\nmov x3, x4\nmov x4, x5\nmov x5, x6\nsvc #0\n"
        ".globl unsynced_after\nunsynced_after:\nret\n");
#define REGISTER(context, n) ((context)->uc_mcontext.regs[n])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#error "no fault layer for this processor"
#endif

#define CALL(number, ...) CALL6(number, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL6(number, a, b, c, d, e, f, ...) \
    unsynced_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum kind {
    WRITE = 1,   /* `length` bytes at `offset` of a file of `old_size` are about to change */
    SIZE = 2,    /* the size is about to change from `old_size` */
    SYNC = 3,    /* what was journaled of the inode before position `offset` is durable */
    CREATE = 4,  /* a file appears */
    MAKE_DIR = 5,
    RENAME = 6,  /* `path` becomes `other`; what that was is kept */
    UNLINK = 7,  /* `path` goes; the file is kept */
    REMOVE_DIR = 8,
    SYNC_DIR = 9,    /* changes of names in `path` before position `offset` are durable */
    UNMODELLED = 10, /* `path` says what */
    CANCEL = 11,     /* the change journaled at position `offset` failed */
};

/* Read by harness/unsynced.py: keep both the same. Then follow path, other and `data_length` bytes. */
struct header {
    uint32_t magic, kind;
    uint64_t total, inode, offset, length, old_size, data_length;
    uint32_t path_length, other_length;
};
#define MAGIC 0x6a6e7375u
#define ALIGN 4096
#define SCRATCH (1 << 20)
#define PATH_BYTES 1024

static char root[PATH_BYTES], kept[PATH_BYTES];
static size_t root_length;
static int journal = -1;
static uint64_t tail;
static char *scratch;
static volatile int lock_word;

/* Held for a before-image and its journaling only; all signals are blocked meanwhile. */
static void lock(void) {
    while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE)) CALL(SYS_sched_yield, 0);
}
static void unlock(void) { __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE); }

static void die(const char *why) {
    CALL(SYS_write, 2, why, strlen(why));
    CALL(SYS_write, 2, "\n", 1);
    CALL(SYS_exit_group, 97);
}

static void put(const void *bytes, size_t length) {
    const char *from = bytes;
    while (length) {
        long wrote = CALL(SYS_write, journal, from, length);
        if (wrote == -EINTR) continue;
        if (wrote <= 0) die("unsynced: the journal cannot be written");
        from += wrote;
        length -= (size_t)wrote;
        tail += (uint64_t)wrote;
    }
}

/* Appends one record and returns its position. The lock is held. */
static uint64_t record(struct header header, const char *path, const char *other, const void *data) {
    uint64_t position = tail;
    header.magic = MAGIC;
    header.path_length = path ? (uint32_t)strlen(path) : 0;
    header.other_length = other ? (uint32_t)strlen(other) : 0;
    header.total = sizeof header + header.path_length + header.other_length + header.data_length;
    put(&header, sizeof header);
    if (path) put(path, header.path_length);
    if (other) put(other, header.other_length);
    if (header.data_length) put(data, header.data_length);
    return position;
}

static void put_number(char *to, uint64_t number) {
    char digits[24];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count) *to++ = digits[--count];
    *to = 0;
}

/* The path of an open file; 1 if it lies below the root. */
static int path_of(int fd, char *path) {
    char link[40] = "/proc/self/fd/";
    put_number(link + strlen(link), (uint64_t)(uint32_t)fd);
    long length = CALL(SYS_readlinkat, AT_FDCWD, link, path, PATH_BYTES - 1);
    path[length > 0 ? length : 0] = 0;
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || !path[root_length]);
}

/* An absolute path out of the arguments of a call; 1 if it lies below the root. */
static int resolve(int dir, const char *given, char *path) {
    size_t length = 0;
    if (!given) return 0;
    if (given[0] != '/') {
        if (dir == AT_FDCWD) {
            long got = CALL(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", path, PATH_BYTES - 1);
            path[got > 0 ? got : 0] = 0;
        } else {
            path_of(dir, path);
        }
        length = strlen(path);
        path[length++] = '/';
    }
    if (length + strlen(given) >= PATH_BYTES) return 0;
    strcpy(path + length, given);
    return strncmp(path, root, root_length) == 0 && path[root_length] == '/';
}

static void unmodelled(const char *what) {
    lock();
    record((struct header){.kind = UNMODELLED}, what, NULL, NULL);
    unlock();
}

struct target {
    int fd;
    uint64_t inode, size;
    char path[PATH_BYTES];
};

/* Whether a descriptor is a regular file below the root. */
static int aim(int fd, struct target *target) {
    struct stat status;
    if (CALL(SYS_fstat, fd, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
    if (!path_of(fd, target->path)) return 0;
    target->fd = fd;
    target->inode = status.st_ino;
    target->size = (uint64_t)status.st_size;
    return 1;
}

/* A descriptor to read the file from; the same one where it can be read. */
static int reader(int fd) {
    long flags = CALL(SYS_fcntl, fd, F_GETFL);
    if ((flags & O_ACCMODE) == O_RDWR) return fd;
    char link[40] = "/proc/self/fd/";
    put_number(link + strlen(link), (uint64_t)(uint32_t)fd);
    return (int)CALL(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
}

/* Journals what the bytes from `offset` were, and the size. Whole blocks are read, as O_DIRECT wants it. */
static void before(struct target *target, uint64_t offset, uint64_t length) {
    int from = -1;
    lock();
    do {
        uint64_t start = offset / ALIGN * ALIGN, part = SCRATCH - (offset - start), have = 0;
        char *bytes = scratch + (offset - start);
        if (part > length) part = length;
        if (offset < target->size) {
            if (from < 0) from = reader(target->fd);
            uint64_t whole = (offset - start + part + ALIGN - 1) / ALIGN * ALIGN;
            long got = CALL(SYS_pread64, from, scratch, whole, start);
            if (got < 0) die("unsynced: a file cannot be read before it is changed");
            have = (uint64_t)got > offset - start ? (uint64_t)got - (offset - start) : 0;
            if (have > part) have = part;
            /* Zeros, which preallocated files are full of, are not stored. */
            if (have && bytes[0] == 0 && memcmp(bytes, bytes + 1, have - 1) == 0) have = 0;
        }
        record((struct header){.kind = WRITE, .inode = target->inode, .offset = offset, .length = part,
                               .old_size = target->size, .data_length = have},
               target->path, NULL, bytes);
        offset += part;
        length -= part;
    } while (length);
    unlock();
    if (from >= 0 && from != target->fd) CALL(SYS_close, from);
}

static void before_size(struct target *target, uint64_t new_size) {
    if (new_size < target->size) before(target, new_size, target->size - new_size);
    lock();
    record((struct header){.kind = SIZE, .inode = target->inode, .old_size = target->size}, target->path, NULL,
           NULL);
    unlock();
}

static uint64_t cursor(struct target *target) {
    if (CALL(SYS_fcntl, target->fd, F_GETFL) & O_APPEND) return target->size;
    return (uint64_t)CALL(SYS_lseek, target->fd, 0, SEEK_CUR);
}

static uint64_t total(const struct iovec *parts, int count) {
    uint64_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

static void before_allocate(struct target *target, long mode, uint64_t offset, uint64_t length) {
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) unmodelled("fallocate");
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) before(target, offset, length);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + length > target->size) before_size(target, offset + length);
}

/* Bytes a copy can bring at most. */
static uint64_t copied(int fd, uint64_t asked) {
    struct stat status;
    if (CALL(SYS_fstat, fd, &status) != 0) return 0;
    return asked < (uint64_t)status.st_size ? asked : (uint64_t)status.st_size;
}

/* fsync and fdatasync: what was journaled before they began is durable once they succeed. */
static long sync_file(long number, int fd) {
    struct stat status;
    char path[PATH_BYTES];
    uint64_t position = __atomic_load_n(&tail, __ATOMIC_ACQUIRE);
    long result = CALL(number, fd);
    if (result != 0 || CALL(SYS_fstat, fd, &status) != 0 || !path_of(fd, path)) return result;
    lock();
    record((struct header){.kind = S_ISDIR(status.st_mode) ? SYNC_DIR : SYNC, .inode = status.st_ino,
                           .offset = position},
           path, NULL, NULL);
    unlock();
    return result;
}

/* Journals a change of names, keeps the file that would be lost, makes the call. */
static long rename_or_remove(enum kind kind, const char *path, const char *other, const char *lost, long number,
                             const long *a) {
    char link[PATH_BYTES + 24];
    lock();
    strcpy(link, kept);
    put_number(link + strlen(link), tail);
    if (lost) CALL(SYS_linkat, AT_FDCWD, lost, AT_FDCWD, link, 0);
    uint64_t position = record((struct header){.kind = kind}, path, other, NULL);
    long result = unsynced_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result < 0) record((struct header){.kind = CANCEL, .offset = position}, NULL, NULL, NULL);
    unlock();
    return result;
}

static long open_file(int dir, const char *given, long flags, long number, const long *a) {
    char path[PATH_BYTES];
    struct stat status;
    if (!(flags & (O_CREAT | O_TRUNC | O_SYNC | O_DSYNC)) || !resolve(dir, given, path))
        return unsynced_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (flags & (O_SYNC | O_DSYNC) & ~O_ACCMODE) unmodelled("O_SYNC");
    int found = CALL(SYS_newfstatat, AT_FDCWD, path, &status, 0) == 0;
    if (!found && (flags & O_CREAT)) return rename_or_remove(CREATE, path, NULL, NULL, number, a);
    if (found && (flags & O_TRUNC) && S_ISREG(status.st_mode) && status.st_size > 0) {
        struct target target = {.inode = status.st_ino, .size = (uint64_t)status.st_size};
        strcpy(target.path, path);
        target.fd = (int)CALL(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
        before_size(&target, 0);
        CALL(SYS_close, target.fd);
    }
    return unsynced_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Calls that change names. */
static long names(long number, const long *a) {
    char path[PATH_BYTES], other[PATH_BYTES];
    int from, to;
    switch (number) {
#ifdef SYS_open
    case SYS_open: return open_file(AT_FDCWD, (char *)a[0], a[1], number, a);
    case SYS_creat: return open_file(AT_FDCWD, (char *)a[0], O_CREAT | O_TRUNC, number, a);
    case SYS_unlink:
        if (resolve(AT_FDCWD, (char *)a[0], path)) return rename_or_remove(UNLINK, path, NULL, path, number, a);
        break;
    case SYS_rmdir:
        if (resolve(AT_FDCWD, (char *)a[0], path)) return rename_or_remove(REMOVE_DIR, path, NULL, NULL, number, a);
        break;
    case SYS_mkdir:
        if (resolve(AT_FDCWD, (char *)a[0], path)) return rename_or_remove(MAKE_DIR, path, NULL, NULL, number, a);
        break;
    case SYS_rename:
        from = resolve(AT_FDCWD, (char *)a[0], path), to = resolve(AT_FDCWD, (char *)a[1], other);
        if (from && to) return rename_or_remove(RENAME, path, other, other, number, a);
        if (from || to) unmodelled("rename across the root");
        break;
#endif
    case SYS_openat: return open_file((int)a[0], (char *)a[1], a[2], number, a);
    case SYS_unlinkat:
        if (!resolve((int)a[0], (char *)a[1], path)) break;
        if (a[2] & AT_REMOVEDIR) return rename_or_remove(REMOVE_DIR, path, NULL, NULL, number, a);
        return rename_or_remove(UNLINK, path, NULL, path, number, a);
    case SYS_mkdirat:
        if (resolve((int)a[0], (char *)a[1], path)) return rename_or_remove(MAKE_DIR, path, NULL, NULL, number, a);
        break;
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
        from = resolve((int)a[0], (char *)a[1], path), to = resolve((int)a[2], (char *)a[3], other);
        if (number == SYS_renameat2 && (a[4] & ~1 /* RENAME_NOREPLACE */)) unmodelled("renameat2 with flags");
        if (from && to) return rename_or_remove(RENAME, path, other, other, number, a);
        if (from || to) unmodelled("rename across the root");
        break;
    }
    return unsynced_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* What is known to exist and not played back. */
static void not_modelled(long number, const long *a) {
    char path[PATH_BYTES];
    switch (number) {
#ifdef SYS_link
    case SYS_link:
        if (resolve(AT_FDCWD, (char *)a[1], path)) unmodelled("link");
        break;
    case SYS_symlink:
        if (resolve(AT_FDCWD, (char *)a[1], path)) unmodelled("symlink");
        break;
#endif
    case SYS_linkat:
        if (resolve((int)a[2], (char *)a[3], path)) unmodelled("linkat");
        break;
    case SYS_symlinkat:
        if (resolve((int)a[1], (char *)a[2], path)) unmodelled("symlinkat");
        break;
    case SYS_truncate:
        if (resolve(AT_FDCWD, (char *)a[0], path)) unmodelled("truncate");
        break;
    case SYS_openat2:
        if (resolve((int)a[0], (char *)a[1], path)) unmodelled("openat2");
        break;
    case SYS_splice: break; /* judged by its target below */
    case SYS_io_uring_setup: unmodelled("io_uring"); break;
    case SYS_sync:
    case SYS_syncfs: unmodelled("sync of a file system"); break;
    }
}

static long on_call(long number, const long *a) {
    struct target target;
    switch (number) {
    case SYS_write:
        if (aim((int)a[0], &target) && a[2]) before(&target, cursor(&target), (uint64_t)a[2]);
        break;
    case SYS_pwrite64:
        if (aim((int)a[0], &target) && a[2]) before(&target, (uint64_t)a[3], (uint64_t)a[2]);
        break;
    case SYS_writev:
        if (aim((int)a[0], &target)) before(&target, cursor(&target), total((struct iovec *)a[1], (int)a[2]));
        break;
    case SYS_pwritev2:
        if ((a[5] || a[3] == -1) && aim((int)a[0], &target)) {
            unmodelled("pwritev2 with flags or without offset");
            break;
        } /* fall through */
    case SYS_pwritev:
        if (aim((int)a[0], &target)) before(&target, (uint64_t)a[3], total((struct iovec *)a[1], (int)a[2]));
        break;
    case SYS_ftruncate:
        if (aim((int)a[0], &target)) before_size(&target, (uint64_t)a[1]);
        break;
    case SYS_fallocate:
        if (aim((int)a[0], &target)) before_allocate(&target, a[1], (uint64_t)a[2], (uint64_t)a[3]);
        break;
    case SYS_copy_file_range:
        if (aim((int)a[2], &target))
            before(&target, a[3] ? *(uint64_t *)a[3] : cursor(&target), copied((int)a[0], (uint64_t)a[4]));
        break;
    case SYS_sendfile:
        if (aim((int)a[0], &target)) before(&target, cursor(&target), copied((int)a[1], (uint64_t)a[3]));
        break;
    case SYS_splice:
        if (aim((int)a[2], &target)) unmodelled("splice");
        break;
    case SYS_fsync:
    case SYS_fdatasync: return sync_file(number, (int)a[0]);
    default:
        not_modelled(number, a);
        return names(number, a);
    }
    return unsynced_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void on_signal(int signal, siginfo_t *info, void *data) {
    (void)signal;
    ucontext_t *context = data;
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = (long)REGISTER(context, i);
    RESULT(context) = on_call(info->si_syscall, a);
}

static const int caught[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_unlink, SYS_rmdir, SYS_mkdir, SYS_rename, SYS_link, SYS_symlink,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_openat, SYS_openat2, SYS_unlinkat, SYS_mkdirat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_truncate,
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_ftruncate, SYS_fallocate,
    SYS_copy_file_range, SYS_sendfile, SYS_splice, SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_io_uring_setup,
};
#define CAUGHT (sizeof caught / sizeof caught[0])

static void install(void) {
    struct sock_filter filter[CAUGHT + 10];
    unsigned n = 0;
    uint64_t after = (uint64_t)(uintptr_t)unsynced_after;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 0, CAUGHT + 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < CAUGHT; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, caught[i], CAUGHT - i, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    /* A caught call: let it pass if it comes from our own instruction. */
    size_t ip = offsetof(struct seccomp_data, instruction_pointer);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)after, 0, 3);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(after >> 32), 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0) die("unsynced: no handler for SIGSYS");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("unsynced: no_new_privs is refused");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) die("unsynced: seccomp is refused");
}

/* The end of the last whole record: a kill may have cut one short, whose change was not made then. */
static uint64_t whole(void) {
    struct stat status;
    struct header header;
    uint64_t position = 0;
    if (fstat(journal, &status) != 0) die("unsynced: the journal cannot be read");
    while (pread(journal, &header, sizeof header, (off_t)position) == sizeof header && header.magic == MAGIC &&
           position + header.total <= (uint64_t)status.st_size)
        position += header.total;
    return position;
}

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("UNSYNCED_ROOT"), *file = getenv("UNSYNCED_JOURNAL");
    if (!folder || !file) return;
    if (strlen(folder) >= PATH_BYTES || strlen(file) + 8 >= PATH_BYTES) die("unsynced: a path is too long");
    strcpy(root, folder);
    root_length = strlen(root);
    strcpy(kept, file);
    strcat(kept, ".kept/");
    mkdir(kept, 0700);
    journal = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) die("unsynced: the journal cannot be opened");
    tail = whole();
    if (ftruncate(journal, (off_t)tail) != 0) die("unsynced: the journal cannot be cut");
    scratch = mmap(NULL, SCRATCH + ALIGN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (scratch == MAP_FAILED) die("unsynced: no memory");
    install();
}
