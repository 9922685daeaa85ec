package eval

import (
	"fmt"
	"io"
)

// Write prints a result, one figure a line, with standard errors.
func (r Result) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d chunks, %d tokens predicted\nperplexity        %.4f ± %.4f\n",
		r.Chunks, r.Tokens, r.Perplexity.Value, r.Perplexity.Error)
	if err != nil || r.Against == nil {
		return err
	}
	c := r.Against
	_, err = fmt.Fprintf(w, "of the other      %.4f ± %.4f\nratio             %.5f ± %.5f\n"+
		"KL divergence     %.6f ± %.6f nats; median %.6f, 99 %% %.6f, greatest %.6f\n"+
		"same most likely  %.2f ± %.2f %%\nchange of the next token's probability  %.3f %% rms\n",
		c.Perplexity.Value, c.Perplexity.Error, c.Ratio.Value, c.Ratio.Error, c.KL.Value,
		c.KL.Error, c.KLMedian, c.KL99, c.KLMax, 100*c.SameTop.Value, 100*c.SameTop.Error,
		100*c.RMSProb)
	return err
}
