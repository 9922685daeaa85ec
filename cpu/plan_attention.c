// Cuts the batch into query tiles and attention tasks, once for all layers of a step.
#include "exec.h"

static void add_tile(exec *e, int seq, int row, int rows) {
    int splits = e->batch.positions[row + rows - 1] / (e->split_blocks * e->block_size) + 1;
    e->tiles[e->num_tiles++] = (query_tile){seq, row, rows, splits, -1};
}

static int64_t cut_sequences(exec *e) {
    const batch *b = &e->batch;
    int most = SPLIT_ROWS / e->max_group;
    int64_t splits = 0;
    e->num_tiles = 0;
    for (int s = 0; s < b->seqs; s++) {
        for (int row = b->query_start[s]; row < b->query_start[s + 1]; row += most) {
            int left = b->query_start[s + 1] - row;
            add_tile(e, s, row, left < most ? left : most);
            splits += e->tiles[e->num_tiles - 1].splits;
        }
    }
    return splits;
}

// A single token whose context is a large part of all the step's work gets a task for each split;
// every other tile is one task.
void bs_plan_attention(exec *e) {
    int64_t splits = cut_sequences(e);
    int threads = bs_pool_threads(e->pool);
    int64_t fair = splits * e->units / (8 * threads);
    int partials = 0;
    e->num_tasks = e->num_split_tiles = 0;
    for (int i = 0; i < e->num_tiles; i++) {
        query_tile *t = e->tiles + i;
        int need = t->splits * e->units;
        if (t->rows > 1 || t->splits == 1 || t->splits <= fair ||
            partials + need > e->max_partials) {
            e->tasks[e->num_tasks++] = (query_task){i, -1};
            continue;
        }
        t->partial = partials;
        partials += need;
        e->num_split_tiles++;
        for (int s = 0; s < t->splits; s++) e->tasks[e->num_tasks++] = (query_task){i, s};
    }
}
