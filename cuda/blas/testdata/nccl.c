// A libnccl.so.2 for the tests.
int ncclGetVersion(int *v) { return *v = 22907, 0; }
