#ifndef TEST_NRT_VERSION_H
#define TEST_NRT_VERSION_H

typedef struct {
    uint64_t rt_major, rt_minor, rt_patch, rt_maintenance;
    char rt_detail[128];
    char git_hash[64];
} nrt_version_t;

NRT_STATUS nrt_get_version(nrt_version_t *version, size_t size);

#endif
