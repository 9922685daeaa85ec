package peers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// busy is the processor time that the whole machine has used, and that this process and its ended
// children have.
type busy struct {
	all, own time.Duration
	at       time.Time
}

// tick is the unit of /proc/stat (USER_HZ).
const tick = 10 * time.Millisecond

func readBusy() (busy, error) {
	b := busy{at: time.Now()}
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return b, err
	}
	if b.all, err = parseStat(string(data)); err != nil {
		return b, err
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return b, err
		}
		b.own += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return b, nil
}

// parseStat sums the first line of /proc/stat without idle and iowait; stolen time counts, since
// nobody here could use it.
func parseStat(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	var user, nice, system, idle, iowait, irq, softirq, steal int64
	_, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait,
		&irq, &softirq, &steal)
	if err != nil {
		return 0, fmt.Errorf("cannot read /proc/stat: %w", err)
	}
	return time.Duration(user+nice+system+irq+softirq+steal) * tick, nil
}

// others is how many processors others used between two readings.
func (b busy) others(before busy) float64 {
	theirs := (b.all - before.all) - (b.own - before.own)
	return max(0, theirs.Seconds()/b.at.Sub(before.at).Seconds())
}

// Calm is the number of processors that others may use in a sample that counts as clean.
const Calm = 0.1

// waitCalm waits until others leave the machine alone for a second, at most so long; it gives what
// they used in the last second.
func waitCalm(ctx context.Context, limit time.Duration) (float64, error) {
	const second = time.Second
	for end := time.Now().Add(limit); ; {
		before, err := readBusy()
		if err != nil {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(second):
		}
		after, err := readBusy()
		if err != nil {
			return 0, err
		}
		if used := after.others(before); used <= Calm || time.Now().After(end) {
			return used, nil
		}
	}
}
