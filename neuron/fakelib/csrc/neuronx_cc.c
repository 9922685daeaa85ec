/* The fake compiler: it checks its arguments against the flags that the AWS Neuron documentation
 * lists ("Neuron Compiler CLI Reference Guide (neuronx-cc)"), and wraps the graph in a file whose
 * header is that of a compiled one. Environment:
 *   FAKE_CC_FAIL   text: fail with it
 *   FAKE_CC_LNC    write another logical core into the header
 *   FAKE_CC_SHORT  cut the file short */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 1024, AT_HEADER_SIZE = 8, AT_DATA_SIZE = 16, AT_MAJOR = 24, AT_BUILD = 40 };
enum { AT_CORES = 168, AT_HASH = 172, AT_UUID = 204, AT_NAME = 220, AT_LNC = 552 };

static const char version[] = "NeuronX Compiler version 2.27.0.0+fake";

/* A documented flag: its values, NULL for any, or no value at all. */
typedef struct flag {
    const char *name;
    int takes_value;
    const char *values; /* between bars */
    const char *found;
} flag;

static flag flags[] = {
    {"--framework", 1, "|XLA|", NULL},
    /* trn3 is not in the reference; it is in nkipy's CompilationTarget and in error messages. */
    {"--target", 1, "|inf2|trn1|trn1n|trn2|trn3|", NULL},
    {"--model-type", 1, "|generic|transformer|unet-inference|", NULL},
    {"--auto-cast", 1, "|none|matmult|all|", NULL},
    {"--auto-cast-type", 1, "|bf16|fp16|tf32|fp8_e4m3|", NULL},
    {"--distribution-strategy", 1, "|llm-training|", NULL},
    {"--logical-nc-config", 1, "|1|2|", NULL},
    {"-lnc", 1, "|1|2|", NULL},
    {"--lnc", 1, "|1|2|", NULL},
    {"--optlevel", 1, "|1|2|3|", NULL},
    {"-O", 1, "|1|2|3|", NULL},
    {"--enable-mixed-precision-accumulation", 0, NULL, NULL},
    {"--disable-mixed-precision-accumulation", 0, NULL, NULL},
    {"--enable-saturate-infinity", 0, NULL, NULL},
    {"--enable-fast-context-switch", 0, NULL, NULL},
    {"--enable-fast-loading-neuron-binaries", 0, NULL, NULL},
    {"--logfile", 1, NULL, NULL},
    {"--output", 1, NULL, NULL},
    {"--verbose", 1, "|info|warning|error|critical|debug|", NULL},
};

static int die(const char *what, const char *about) {
    fprintf(stderr, "neuronx-cc: error: %s: %s\n", what, about);
    return 2;
}

static flag *find(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strlen(flags[i].name) == n && strncmp(flags[i].name, name, n) == 0)
            return &flags[i];
    }
    return NULL;
}

static const char *value_of(const char *name) { return find(name, strlen(name))->found; }

/* take reads one flag with its value, which may follow an equals sign; it gives the arguments used,
 * 0 for an error. */
static int take(char **argv, int left) {
    const char *equals = strchr(argv[0], '=');
    size_t n = equals ? (size_t)(equals - argv[0]) : strlen(argv[0]);
    flag *f = find(argv[0], n);
    if (f == NULL)
        return die("unrecognized arguments", argv[0]), 0;
    if (!f->takes_value) {
        f->found = "";
        return equals ? (die("takes no value", argv[0]), 0) : 1;
    }
    f->found = equals ? equals + 1 : left > 1 ? argv[1] : NULL;
    if (f->found == NULL)
        return die("expected one argument", argv[0]), 0;
    char bars[64];
    snprintf(bars, sizeof bars, "|%s|", f->found);
    if (f->values != NULL && strstr(f->values, bars) == NULL)
        return die("invalid choice", f->found), 0;
    return equals ? 1 : 2;
}

static unsigned char *read_graph(const char *path, size_t *size) {
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return NULL;
    fseek(in, 0, SEEK_END);
    *size = (size_t)ftell(in);
    rewind(in);
    unsigned char *data = malloc(HEADER + *size);
    size_t n = fread(data + HEADER, 1, *size, in);
    fclose(in);
    return n == *size ? data : NULL;
}

static void put(unsigned char *p, int at, uint64_t v, size_t n) { memcpy(p + at, &v, n); }

static void header(unsigned char *p, size_t size, const char *name) {
    memset(p, 0, HEADER);
    put(p, 0, 2, 8);
    put(p, AT_HEADER_SIZE, HEADER, 8);
    put(p, AT_DATA_SIZE, size, 8);
    put(p, AT_MAJOR, 2, 8);
    put(p, AT_CORES, 1, 4);
    snprintf((char *)p + AT_BUILD, 128, "%s", version);
    snprintf((char *)p + AT_NAME, 256, "%s", name);
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[HEADER + i]) * 1099511628211u;
    put(p, AT_HASH, h, 8);
    put(p, AT_UUID, ~h, 8);
    const char *lnc = getenv("FAKE_CC_LNC");
    const char *names[] = {"--lnc", "-lnc", "--logical-nc-config"};
    for (int i = 0; i < 3 && lnc == NULL; i++)
        lnc = value_of(names[i]);
    put(p, AT_LNC, lnc != NULL ? strtoul(lnc, NULL, 10) : 2, 4);
}

static int compile(const char *graph) {
    size_t size;
    if (value_of("--framework") == NULL || value_of("--target") == NULL)
        return die("the following arguments are required", "--framework, --target");
    unsigned char *data = read_graph(graph, &size);
    if (data == NULL || size == 0 || data[HEADER] != 0x0a)
        return die("cannot read the graph", graph);
    header(data, size, graph);
    const char *out = value_of("--output");
    FILE *file = fopen(out != NULL ? out : "file.neff", "wb");
    if (file == NULL)
        return die("cannot write", out);
    size_t n = HEADER + (getenv("FAKE_CC_SHORT") != NULL ? size / 2 : size);
    int bad = fwrite(data, 1, n, file) != n;
    return fclose(file) != 0 || bad ? die("cannot write", out) : 0;
}

int main(int argc, char **argv) {
    const char *graph = NULL;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts(version) < 0;
    if (argc < 2 || strcmp(argv[1], "compile") != 0)
        return die("invalid command", argc < 2 ? "" : argv[1]);
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
            printf("%s %s\n", flags[i].name, flags[i].values ? flags[i].values : "");
        return 0;
    }
    for (int i = 2; i < argc;) {
        if (argv[i][0] != '-') {
            if (graph != NULL)
                return die("unrecognized arguments", argv[i]);
            graph = argv[i++];
            continue;
        }
        int used = take(argv + i, argc - i);
        if (used == 0)
            return 2;
        i += used;
    }
    const char *fail = getenv("FAKE_CC_FAIL");
    if (fail != NULL)
        return die("compilation failed", fail);
    return graph == NULL ? die("the following arguments are required", "model_files")
                         : compile(graph);
}
