package load

import (
	"fmt"
	"sync"
	"time"
)

// showProgress prints one line, twice a second, until the function that it gives is called.
func (c *client) showProgress(total int) (stop func()) {
	w := c.opts.Progress
	if w == nil {
		return func() {}
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		last, at := int64(0), c.began
		for {
			select {
			case <-end:
				fmt.Fprint(w, "\r\033[K")
				return
			case now := <-tick.C:
				chunks := c.live.chunks.Load()
				rate := float64(chunks-last) / now.Sub(at).Seconds()
				last, at = chunks, now
				fmt.Fprintf(w, "\r%d of %d requests, %d running, %d failed, %.0f tokens/s\033[K",
					c.live.done.Load()+c.live.failed.Load(), total, c.live.running.Load(),
					c.live.failed.Load(), rate)
			}
		}
	})
	return func() { close(end); wg.Wait() }
}
