package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Args is a server's command line for an address.
type Args func(host, port string) []string

// Server is a process that answers.
type Server struct {
	URL   string
	PID   int
	Began time.Time     // just before exec
	Ready time.Duration // exec to the first 200 of /health
	// Stop ends the process and waits for it.
	Stop func() error
	// Log is what it wrote to its standard error; to be called after Stop.
	Log func() []byte
}

// Run runs a program to its end. An error names the program and the end of what it complained.
func Run(ctx context.Context, argv []string) (stdout, stderr []byte, err error) {
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(complaints.Bytes()))
	}
	return out.Bytes(), complaints.Bytes(), err
}

func tail(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(text[max(0, len(text)-400):])
}

// readyLimit is how long a server may take until it answers.
const readyLimit = 5 * time.Minute

// Start runs a server on a free port of the loopback interface, and waits until it is ready.
func Start(ctx context.Context, args Args) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot find a free port: %w", err)
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	argv := args(host, port)
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = io.Discard, &log
	s := &Server{URL: "http://" + net.JoinHostPort(host, port), Began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", argv[0], err)
	}
	s.PID, s.Log = cmd.Process.Pid, log.Bytes
	ended := make(chan struct{})
	var waited error
	go func() { waited = cmd.Wait(); close(ended) }()
	s.Stop = func() error { return stop(cmd.Process, ended) }
	if err := s.await(ctx, ended); err != nil {
		if errors.Is(err, errEnded) {
			err = fmt.Errorf("%w: %w", err, waited)
		}
		return nil, errors.Join(fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err,
			tail(log.Bytes())), s.Stop())
	}
	return s, nil
}

var errEnded = errors.New("the server ended before it was ready")

// await polls /health until it says 200.
func (s *Server) await(ctx context.Context, ended <-chan struct{}) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for time.Since(s.Began) < readyLimit {
		if ok(ctx, client, s.URL+"/health") {
			s.Ready = time.Since(s.Began)
			return nil
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return fmt.Errorf("the server was not ready after %v", readyLimit)
}

func ok(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK
}

// stop ends a process as an operator does, and by force where that does not help.
func stop(p *os.Process, ended <-chan struct{}) error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(15 * time.Second):
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-ended
	return nil
}
