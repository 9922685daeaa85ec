// Blocks of threads on one processor thread.
#ifndef FAKE_FIBERS_H
#define FAKE_FIBERS_H

typedef unsigned long long word;
typedef void kernel_fn(word, word, word, word, word, word, word, word, word, word, word, word, word,
                       word, word, word, word, word);

enum { MAX_ARGS = 18, MAX_THREADS = 1024 };

// Runs a grid. NULL, or what the kernel did wrong.
const char *run_grid(kernel_fn *fn, const word *args, const unsigned *grid, unsigned threads);

// For async.c: a thread waits at a barrier that has not moved, a barrier moves, a rule is broken.
void fibers_poll(void);
void fibers_progress(void);
void fibers_fail(const char *why);

// For fibers.c: a block begins with no copies; how many of its threads' were not waited for.
void async_start(int threads);
int async_under_way(int threads);

#endif
