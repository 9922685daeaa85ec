package cpu

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// span is a range of addresses, end excluded.
type span struct{ start, end uintptr }

// sharedMappings are the shared mappings of this process. Their pages may be given back at any
// time: the next access reads them from the file again. Nothing is known where there is no /proc.
func sharedMappings() []span {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var shared []span
	for s := bufio.NewScanner(f); s.Scan(); {
		if m, ok := parseMapping(s.Text()); ok {
			shared = append(shared, m)
		}
	}
	return shared
}

// parseMapping reads a line "start-end perms ..." of /proc/self/maps; ok says that it is shared.
func parseMapping(line string) (m span, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasSuffix(fields[1], "s") {
		return span{}, false
	}
	low, high, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(low, 16, 64)
	if err != nil {
		return span{}, false
	}
	end, err := strconv.ParseUint(high, 16, 64)
	return span{uintptr(start), uintptr(end)}, err == nil
}

// giveBack lets go the whole pages of data that lie in a shared mapping: it was copied, or will be
// needed only here and there.
func giveBack(shared []span, data []byte) {
	if len(data) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	first := (page - start%page) % page
	if uintptr(len(data)) < first+page {
		return
	}
	whole := data[first : first+(uintptr(len(data))-first)/page*page]
	for _, m := range shared {
		if m.start <= start && start+uintptr(len(data)) <= m.end {
			_ = unix.Madvise(whole, unix.MADV_DONTNEED) // only advice
		}
	}
}
