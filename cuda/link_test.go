//go:build cuda

package cuda

import (
	"debug/elf"
	"os"
	"regexp"
	"slices"
	"testing"
)

// helpers are three functions of gorgonia.org/cu's own that look like the driver's.
var helpers = []string{"cuDeviceGetAttributes", "cuLaunchAndSync", "cuAllocAndCopy"}

// TestBinaryNeedsNothingOfNVIDIA reads this test's own binary: no library of NVIDIA's is needed to
// start it, no name of theirs is left for the loader to find, and none is offered to others. As
// go-nvml tells the linker to leave missing names to the loader, each must have a library.
func TestBinaryNeedsNothingOfNVIDIA(t *testing.T) {
	f, err := elf.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	libs, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	ours := regexp.MustCompile(`^(lib(c|m|dl|pthread|resolv|tsan)\.so|ld-linux)`)
	for _, lib := range libs {
		if !ours.MatchString(lib) {
			t.Errorf("the binary needs %s", lib)
		}
	}
	theirs := regexp.MustCompile(`^(cu[A-Z]|cublas|nccl|nvml)`)
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if theirs.MatchString(s.Name) && !slices.Contains(helpers, s.Name) {
			t.Errorf("dynamic symbol %s, section %s", s.Name, s.Section)
		}
		if s.Section == elf.SHN_UNDEF && s.Version == "" && elf.ST_BIND(s.Info) != elf.STB_WEAK {
			t.Errorf("no library has %s", s.Name)
		}
	}
	if len(symbols) == 0 {
		t.Error("no dynamic symbols were read")
	}
}
