/* The wall clock of one process, off by what an eight-byte file says: nanoseconds, signed.
 *
 * Loaded before the C library (LD_PRELOAD). What a jump of the host's clock does to a process is
 * done here to the calls that its parts make: CPython and librdkafka ask for the time, and wait on
 * conditions until a moment of the wall clock. As in a kernel, such a wait is held against the
 * clock as it is then: after a jump backwards it lasts longer, after one forward it is over.
 * Waits by the clock that only counts on are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL
/* The counting clock begins with the machine: it is decades below this, the wall clock above. */
#define WALL_SECONDS_MIN 1000000000LL
#define LOOK_NS 20000000LL

static const volatile int64_t *offset_ns;

__attribute__((constructor)) static void open_offset(void) {
    const char *path = getenv("PARTIDOR_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        offset_ns = mapped;
}

static int64_t true_ns(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static int64_t shown_ns(void) { return true_ns() + (offset_ns ? *offset_ns : 0); }

static struct timespec timespec_of(int64_t ns) {
    return (struct timespec){.tv_sec = ns / NS, .tv_nsec = ns % NS};
}

int clock_gettime(clockid_t clock, struct timespec *found) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, found);
    *found = timespec_of(shown_ns());
    return 0;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    (void)zone;
    int64_t ns = shown_ns();
    found->tv_sec = ns / NS;
    found->tv_usec = ns % NS / 1000;
    return 0;
}

time_t time(time_t *found) {
    time_t seconds = shown_ns() / NS;
    if (found)
        *found = seconds;
    return seconds;
}

int timespec_get(struct timespec *found, int base) {
    *found = timespec_of(shown_ns());
    return base;
}

/* One look: at most until the deadline, and no longer than until the clock is asked again.
 * Returns whether the deadline is still ahead; `until` is then a true time to wait for. */
static int ahead(const struct timespec *deadline, struct timespec *until) {
    int64_t left_ns = deadline->tv_sec * NS + deadline->tv_nsec - shown_ns();
    if (left_ns <= 0)
        return 0;
    *until = timespec_of(true_ns() + (left_ns < LOOK_NS ? left_ns : LOOK_NS));
    return 1;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!wait)
        wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    if (deadline->tv_sec < WALL_SECONDS_MIN)
        return wait(condition, mutex, deadline);
    struct timespec until;
    while (ahead(deadline, &until)) {
        int result = wait(condition, mutex, &until);
        if (result != ETIMEDOUT)
            return result;
    }
    return ETIMEDOUT;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict deadline) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    if (!wait)
        wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec until;
    while (ahead(deadline, &until)) {
        int result = wait(condition, mutex, &until);
        if (result != thrd_timedout)
            return result;
    }
    return thrd_timedout;
}
