// What the machine can do at most, on all threads of a pool at once.
#ifndef BASALT_CPU_CEILINGS_H
#define BASALT_CPU_CEILINGS_H

#include "kern.h"
#include "pool.h"

enum ceiling { CEILING_READ, CEILING_FMA, CEILING_INT8, CEILING_BF16 };

// Work done (bytes or operations) by rounds of one test, on all threads, and the seconds it took.
// READ reads the data, which the threads share out, once a round.
double bs_ceiling(pool *p, const kernels *k, int test, const void *data, int64_t bytes,
                  int64_t rounds, double *seconds);

#endif
