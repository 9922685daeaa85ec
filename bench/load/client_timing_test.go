package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The generator's own cost: a canned source in another process streams tokens, each event with the
// time at which it was sent as its text. What the client noted is compared with that.

// stampLen is the number of digits of a time in nanoseconds since 1970.
const stampLen = 19

// eventHead and eventTail surround a stamp; the chunk's size is that of HTTP's chunked coding.
const (
	eventHead = `data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"m",` +
		`"choices":[{"index":0,"text":"`
	eventTail = `","logprobs":null,"finish_reason":null}]}` + "\n\n"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "canned-source" {
		if err := cannedSource(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// cannedSource prints its address, takes so many connections, and when all have asked, sends each a
// burst of events every period until each has had its tokens.
func cannedSource(args []string) error {
	streams, _ := strconv.Atoi(args[0])
	tokens, _ := strconv.Atoi(args[1])
	burst, _ := strconv.Atoi(args[2])
	period, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	conns := make([]net.Conn, streams)
	for i := range conns {
		if conns[i], err = l.Accept(); err != nil {
			return err
		}
		if _, err := http.ReadRequest(bufio.NewReader(conns[i])); err != nil {
			return err
		}
		_, err := conns[i].Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n"))
		if err != nil {
			return err
		}
	}
	if err := sendPaced(conns, tokens/burst, burst, period); err != nil {
		return err
	}
	for _, c := range conns {
		if _, err := io.WriteString(c, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the client has read all
	return err
}

func sendPaced(conns []net.Conn, steps, burst int, period time.Duration) error {
	size := len(eventHead) + stampLen + len(eventTail)
	event := []byte(fmt.Sprintf("%x\r\n%s%0*d%s\r\n", size, eventHead, stampLen, 0, eventTail))
	at := strings.Index(string(event), strings.Repeat("0", stampLen))
	piece := []byte(strings.Repeat(string(event), burst))
	next := time.Now()
	for range steps {
		next = next.Add(period)
		sleepUntil(next)
		for _, c := range conns {
			now := time.Now().UnixNano()
			for i := at; i < len(piece); i += len(event) {
				strconv.AppendInt(piece[:i], now, 10)
			}
			if _, err := c.Write(piece); err != nil {
				return err
			}
		}
	}
	return nil
}

// sleepUntil sleeps in the kernel: the runtime's timers are a millisecond coarse when idle.
func sleepUntil(at time.Time) {
	for {
		left := time.Until(at)
		if left <= 0 {
			return
		}
		ts := syscall.NsecToTimespec(int64(left))
		if syscall.Nanosleep(&ts, nil) == nil {
			return
		}
	}
}

// startSource runs this program as a canned source.
func startSource(b *testing.B, streams, tokens, burst int, period time.Duration) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "canned-source", strconv.Itoa(streams), strconv.Itoa(tokens),
		strconv.Itoa(burst), period.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := in.Close(); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

// receiveCanned receives the streams of a source and gives the rate, and how much later than they
// were sent the events are noted.
func receiveCanned(b *testing.B, streams, tokens, burst int, period time.Duration) (float64,
	*Quantity,
) {
	url := startSource(b, streams, tokens, burst, period)
	o := &Options{
		URL: url, Dialect: "openai", Model: "m", Rate: math.Inf(1), Burstiness: 1,
		Clients: streams,
	}
	c, err := newClient(o)
	if err != nil {
		b.Fatal(err)
	}
	c.began = time.Now()
	outcomes, texts := make([]Outcome, streams), make([]string, streams)
	var wg sync.WaitGroup
	for i := range outcomes {
		wg.Go(func() {
			outcomes[i].Chunks = make([]int64, 0, tokens)
			if texts[i], err = c.send(context.Background(), []byte("{}"), &outcomes[i],
				true); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	late := newQuantity()
	first, last := int64(math.MaxInt64), int64(0)
	for i := range outcomes {
		chunks := outcomes[i].Chunks
		if len(chunks) != tokens || len(texts[i]) != tokens*stampLen {
			b.Fatalf("stream %d has %d events", i, len(chunks))
		}
		first, last = min(first, chunks[0]), max(last, chunks[tokens-1])
		for k, at := range chunks {
			sent, err := strconv.ParseInt(texts[i][k*stampLen:][:stampLen], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			late.add(c.began.UnixNano() + at - sent)
		}
	}
	return float64(streams*tokens) / (float64(last-first) / 1e9), late
}

// BenchmarkReceive shows the tokens that the generator receives in a second from 64 streams, and
// how precise its times are meanwhile. A source that writes events one by one costs the kernel more
// than it costs the generator; servers that are this fast write several at a time.
func BenchmarkReceive(b *testing.B) {
	const streams = 64
	f := func(rate, burst int) {
		b.Run(fmt.Sprintf("rate=%d/burst=%d", rate, burst), func(b *testing.B) {
			period := time.Second * time.Duration(streams*burst) / time.Duration(rate)
			tokens := 2 * rate / streams / burst * burst
			for b.Loop() {
				got, late := receiveCanned(b, streams, tokens, burst, period)
				b.ReportMetric(got, "tokens/s")
				b.ReportMetric(late.Percentile(50)*1000, "p50-us-late")
				b.ReportMetric(late.Percentile(99)*1000, "p99-us-late")
				b.ReportMetric(late.Percentile(100)*1000, "max-us-late")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
	f(50_000, 1)
	f(100_000, 1)
	f(210_000, 4)
	f(400_000, 8)
	f(1_000_000, 16) // more than it can
}

// BenchmarkPauses is the time that the machine takes from programs that only read the clock, one a
// processor: where that is more than a hundredth, the p99 of BenchmarkReceive is the machine's.
func BenchmarkPauses(b *testing.B) {
	const span = 2 * time.Second
	for b.Loop() {
		lost := make([]time.Duration, runtime.NumCPU())
		var wg sync.WaitGroup
		for i := range lost {
			wg.Go(func() { lost[i] = pauses(span) })
		}
		wg.Wait()
		sum := time.Duration(0)
		for _, d := range lost {
			sum += d
		}
		b.ReportMetric(100*float64(sum)/float64(span)/float64(len(lost)), "%-lost")
		b.ReportMetric(0, "ns/op")
	}
}

// pauses is how long the clock ran while this did not, in pieces over a tenth of a millisecond.
func pauses(span time.Duration) time.Duration {
	began, lost := time.Now(), time.Duration(0)
	for last := began; last.Sub(began) < span; {
		now := time.Now()
		if gap := now.Sub(last); gap > 100*time.Microsecond {
			lost += gap
		}
		last = now
	}
	return lost
}

// BenchmarkParse is the cost of one event without the network.
func BenchmarkParse(b *testing.B) {
	event := []byte(eventHead + strings.Repeat("7", stampLen) + strings.TrimSpace(eventTail))
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		err := func() error {
			_, err := splitSSE(append(event, '\n'), func(e []byte) error {
				ch, err := readCompletion(e)
				if !ch.token {
					b.Error("no token")
				}
				return err
			})
			return err
		}()
		if err != nil {
			b.Fatal(err)
		}
	}
}
