// Worker threads that live as long as the device. One job runs at a time, on all threads at once;
// inside it the threads claim tasks from one counter and meet at barriers. Waiting spins for a
// bounded time and then sleeps, since the cores also carry the threads of the server.
#ifndef BASALT_CPU_POOL_H
#define BASALT_CPU_POOL_H

#include <stdint.h>

typedef struct pool pool;
typedef void (*pool_fn)(void *arg, int thread);

// NULL when memory or threads cannot be had.
pool *bs_pool_open(int threads);
void bs_pool_close(pool *p);
int bs_pool_threads(const pool *p);

// Starts fn(arg, 0..threads-1) once the job before has ended; gives the job's ticket.
uint32_t bs_pool_post(pool *p, pool_fn fn, void *arg);
// Returns when the job of the ticket has ended.
void bs_pool_wait(pool *p, uint32_t ticket);

// Inside a job. The barrier also sets the task counter back to zero.
void bs_pool_barrier(pool *p);
// The next task; the caller owns [task, task + n).
int32_t bs_pool_claim(pool *p, int32_t n);

#endif
