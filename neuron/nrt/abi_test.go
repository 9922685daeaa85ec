package nrt

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// checkABI runs the check of make neuron-abi-check against the header of testdata/, with one change
// to one of its files.
func checkABI(t *testing.T, file, old, replacement string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/include")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "nrt", file)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q (%v)", file, old, err)
	}
	changed := strings.Replace(string(text), old, replacement, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "../../tools/neuron/abi_check.sh", dir).CombinedOutput()
	return string(out), err
}

// TestABICheck: the declarations are those of the header; a change of any kind of thing that a call
// depends on is named.
func TestABICheck(t *testing.T) {
	out, err := checkABI(t, "nrt.h", "", "")
	if err != nil || !strings.Contains(out, "as in version NRT_3.0.0") {
		t.Fatalf("%v\n%s", err, out)
	}
	f := func(want, file, old, replacement string) {
		t.Helper()
		if out, err := checkABI(t, file, old, replacement); err == nil ||
			!strings.Contains(out, want) {
			t.Errorf("%s for %s: %v\n%s", replacement, old, err, out)
		}
	}
	f("nrt_tensor_write has another prototype", "nrt.h",
		"const void *buf, size_t offset, size_t size);",
		"const void *buf, size_t offset, uint32_t size);")
	f("nrt_tensor_info_t.dtype lies elsewhere", "nrt_experimental.h",
		"    size_t size;\n    nrt_dtype_t dtype;", "    nrt_dtype_t dtype;\n    size_t size;")
	f("NRT_EXEC_OOB has another value", "nrt_status.h", "NRT_EXEC_OOB,", "NRT_EXEC_OOB = 1007,")
	f("NRT_INSTANCE_TRN3 has another value", "nrt.h", "TRN3 = 14", "TRN3 = 16")
	f("nrt_version_t has another size", "nrt_version.h", "git_hash[64]", "git_hash[72]")
	f("nrt_tensor_memset", "nrt.h", "nrt_tensor_memset", "nrt_tensor_fill")
	out, err = checkABI(t, "nrt_async.h", "NRT_STATUS *ret", "void *tracker")
	if err != nil || !strings.Contains(out, "--neuron-async is refused") {
		t.Errorf("an older asynchronous function: %v\n%s", err, out)
	}
}

// TestStatusesAreThoseOfTheHeader: the check proves the values of abi.h; status.go has the same.
func TestStatusesAreThoseOfTheHeader(t *testing.T) {
	text, err := os.ReadFile("abi.h")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`S\((NRT_\w+), (\d+)\)`).FindAllStringSubmatch(string(text), -1)
	if len(found) != len(statuses)+1 { // success has no entry
		t.Errorf("%d statuses in abi.h, %d in status.go", len(found), len(statuses))
	}
	for _, s := range found[1:] {
		n, err := strconv.Atoi(s[2])
		if err != nil || statuses[Status(n)].name != s[1] {
			t.Errorf("status %d is %q, in abi.h %q", n, statuses[Status(n)].name, s[1])
		}
	}
}
