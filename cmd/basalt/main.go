package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "development"

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is main with an exit status: 0 success, 1 failure, 2 wrong usage.
func run(args []string) int {
	parser, cmd, err := parse(args)
	if err != nil {
		return usage(parser, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd.BindTo(ctx, (*context.Context)(nil))
	if err := cmd.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "basalt:", err)
		return 1
	}
	return 0
}

func usage(parser *kong.Kong, err error) int {
	fmt.Fprintln(os.Stderr, "basalt:", err)
	var parse *kong.ParseError
	if errors.As(err, &parse) {
		fmt.Fprintln(os.Stderr, "Try: basalt --help, or basalt COMMAND --help")
	}
	_ = parser
	return 2
}
