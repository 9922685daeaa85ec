package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkConverse is what the API costs without a model's arithmetic: Converse of 16 tokens on
// the null device by keep-alive connections, each of which sends its next request as soon as it
// has read an answer. The clients run in the same process, so the rate is a lower bound.
func BenchmarkConverse(b *testing.B) {
	for _, conns := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("%d_connections", conns), func(b *testing.B) { converses(b, conns) })
	}
}

func converses(b *testing.B, conns int) {
	f := start(b, setup{noEOS: true, seqs: 512, blocks: 1 << 16, waiting: 2 * conns})
	request := postOf(conversePath, strings.Replace(converseHi, ":3", ":16", 1))
	lines := make([]*line, conns)
	for i := range lines {
		lines[i] = &line{c: f.dial(), b: b, request: request, took: make([]time.Duration, 0, 4096)}
		lines[i].r = bufio.NewReaderSize(lines[i].c, 16<<10)
		lines[i].ask()
		lines[i].took = lines[i].took[:0]
	}
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for _, l := range lines {
		wg.Go(func() {
			for left.Add(-1) >= 0 && l.ask() {
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	var all []time.Duration
	for _, l := range lines {
		all = append(all, l.took...)
	}
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
}

// line is a client's connection.
type line struct {
	c       net.Conn
	r       *bufio.Reader
	b       *testing.B
	request string
	took    []time.Duration
}

// ask sends a request and reads its answer.
func (l *line) ask() bool {
	begun := time.Now()
	if _, err := io.WriteString(l.c, l.request); err != nil {
		l.b.Error(err)
		return false
	}
	status, length := "", 0
	for {
		h, err := l.r.ReadSlice('\n')
		if err != nil {
			l.b.Error(err)
			return false
		}
		if status == "" {
			status = string(h)
		}
		if v, ok := bytes.CutPrefix(h, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				l.b.Error(err)
				return false
			}
		}
		if len(h) == len("\r\n") {
			break
		}
	}
	if _, err := l.r.Discard(length); err != nil || !strings.Contains(status, " 200 ") {
		l.b.Errorf("%s, %d bytes: %v", status, length, err)
		return false
	}
	l.took = append(l.took, time.Since(begun))
	return true
}
